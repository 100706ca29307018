"""Pictures of what the network draws so far, beside the log."""

from pathlib import Path

from model_core.data.images import write_grid
from model_core.models import Model
from model_core.sampling import sample

SEED = 0
"""The same noise for all epochs, so that their grids differ only by the weights."""


def draw_grid(model: Model, count: int, path: Path) -> None:
    """Draw `count` images with a fixed seed, and write them to `path` as one picture.
    Raises OSError if it cannot be written."""
    images = sample(model, count, seed=SEED).cpu().numpy()
    write_grid(images, model.config, path, palette=model.card.palette)
