"""The served models, judged by a program that knows nothing of how they work."""

from pathlib import Path

import numpy as np
import pytest
import torch

from judge import judge
from model_core import load_model, sample
from model_core.components import Component
from model_core.models_directory import model_names
from model_core.orientation import turn

SERVED = Path(__file__).parents[2] / "models"

pytestmark = [pytest.mark.weekly, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("name", model_names(SERVED))
def test_served_model_is_judged_sound(name: str) -> None:
    """Each member, given its first label, is a distribution over small images.

    A model is the mean of its members, each a sum over labels, so it is a distribution
    if they are. Images are cut out of drawn ones: all networks take any size.
    """
    model = load_model(name, models_dir=SERVED)
    drawn = sample(model, 4, seed=2016).long()
    for member in model.members:
        label = 0 if model.config.labels else None
        component = Component(member, label)
        values = model.config.values
        # With many values sums and files take that many passes for each variable.
        size = 16 if values == 2 else 8
        images = turn(drawn, member.orientation)[:, :, :size, :size].numpy()
        verdict = judge(
            lambda x, component=component: nats(component, x),
            images.shape[1:],
            values,
            images,
            order=drawing_order(images.shape[1:], model.config.factor),
        )
        assert verdict.sound, verdict.report()


def nats(component: Component, images: np.ndarray) -> np.ndarray:
    """Return -ln p of each variable under one component."""
    with torch.inference_mode():
        return component.nats_map(torch.from_numpy(images)).numpy()


def drawing_order(shape: tuple[int, ...], factor: int) -> np.ndarray:
    """Return the order of drawing: the small image first, then pixel by pixel.

    Args:
        shape: (C, H, W).
        factor: 1, or that of a Multi-Scale network, whose small image is every
            factor-th pixel of every factor-th row.
    """
    colours, height, width = shape
    flat = np.arange(colours * height * width).reshape(colours, height, width)
    is_small = np.zeros((height, width), bool)
    if factor > 1:
        is_small[::factor, ::factor] = True
    small = flat[:, is_small].T.reshape(-1)
    rest = flat[:, ~is_small].T.reshape(-1)
    return np.concatenate([small, rest])
