"""The likelihood is exact: the probabilities of all images there are add up to one."""

import itertools
import math

import pytest
import torch

from model_core import log_likelihood, untrained
from model_core.measures.likelihood import bits_per_dim

SPACES = [
    ("2x2, two values", {"channels": 1, "values": 2, "height": 2, "width": 2}),
    ("2x3, three values", {"channels": 1, "values": 3, "height": 2, "width": 3}),
    (
        "2x2, two values, three colours",
        {"channels": 3, "values": 2, "height": 2, "width": 2},
    ),
]


def every_image(channels: int, values: int, height: int, width: int) -> torch.Tensor:
    """All V ** (C * H * W) of them: (N, C, H, W)."""
    variables = itertools.product(range(values), repeat=channels * height * width)
    return torch.tensor(list(variables)).view(-1, channels, height, width)


@pytest.mark.parametrize("network", ["pixel-cnn", "row-lstm", "diagonal-bilstm"])
@pytest.mark.parametrize(
    "space", [space for _, space in SPACES], ids=[name for name, _ in SPACES]
)
def test_all_probabilities_add_up_to_one(network: str, space: dict[str, int]) -> None:
    """Within 1e-5, summed over a space small enough to enumerate."""
    model = untrained(
        "mnist-pixelcnn", seed=3, network=network, layers=2, hidden=16, head=12, **space
    )
    total = log_likelihood(model, every_image(**space)).double().exp().sum()
    assert abs(float(total) - 1) < 1e-5


@pytest.mark.parametrize("network", ["pixel-cnn", "row-lstm", "diagonal-bilstm"])
@pytest.mark.parametrize(
    ("height", "width", "values", "channels"),
    [(2, 2, 2, 1), (2, 2, 3, 1), (2, 4, 2, 1), (2, 4, 3, 1), (2, 2, 2, 3)],
)
def test_multi_scale_probabilities_add_up_to_one(
    network: str, height: int, width: int, values: int, channels: int
) -> None:
    """Small image and rest together, each pixel charged once."""
    space = {"channels": channels, "values": values, "height": height, "width": width}
    size = {"layers": 2, "hidden": 16, "head": 12, "factor": 2, "conditioning": 16}
    model = untrained("cifar10-multi-scale", seed=3, network=network, **size, **space)
    total = log_likelihood(model, every_image(**space)).double().exp().sum()
    assert abs(float(total) - 1) < 1e-5


def test_bits_per_dim_divide_by_every_colour_variable() -> None:
    """nats / (ln 2 * C * H * W): a uniform model of 256 values costs 8 bits."""
    config = untrained(
        "cifar10-pixelcnn", layers=1, hidden=3, head=3, height=4, width=5
    ).config
    assert bits_per_dim(60 * math.log(256), config) == pytest.approx(8)
