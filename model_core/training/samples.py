"""Pictures beside the log of what the network draws so far."""

from pathlib import Path

from model_core.data.images import write_grid
from model_core.models import Model
from model_core.sampling import sample

SEED = 0  # always the same noise, so that the grids of two epochs differ only by what was learned


def draw_grid(model: Model, count: int, path: Path) -> None:
    """Draw `count` images and write them as one PNG."""
    write_grid(
        sample(model, count, seed=SEED).cpu().numpy(),
        model.config,
        path,
        palette=model.card.palette,
    )
