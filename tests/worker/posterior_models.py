"""Small models whose completions show what is wrong: nothing in them is symmetric."""

import torch

from model_core import untrained
from model_core.models import Member, Model
from model_core.orientation import Orientation

SIDE = 6
FOUR: tuple[Orientation, ...] = ("none", "flip_top_bottom", "transpose", "rotate_90")


def awake(seed: int, orientation: Orientation, **size: int) -> Model:
    """Random weights that are not small: what is given matters."""
    model = untrained(
        "mnist-row-lstm",
        seed,
        height=SIDE,
        width=SIDE,
        layers=1,
        hidden=4,
        head=4,
        **size,
    )
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.network.parameters():
        parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return Model((Member(model.network, orientation),), model.card)
