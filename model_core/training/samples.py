"""What the network draws so far, as a picture beside the log."""

from dataclasses import replace
from pathlib import Path

from model_core.data.images import write_grid
from model_core.models import Model
from model_core.orientation import turn_back
from model_core.sampling import sample

SEED = 0  # always the same noise, so that the grids of two epochs differ only by what was learned


def draw_grid(model: Model, count: int, path: Path) -> None:
    """Draw `count` images and write them as one PNG, the right way up whatever the model was trained on."""
    upright = Model(model.network, replace(model.card, orientation="none"), model.device)
    values = turn_back(sample(upright, count, seed=SEED), model.card.orientation)
    write_grid(values.cpu().numpy(), model.config, path)
