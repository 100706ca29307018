"""Which variables a logit can see: every variable changed in turn, and exactly the allowed logits move (equation 2)."""

import itertools

import pytest
import torch
from torch import Tensor

from model_core import untrained
from model_core.models import Model

SIZES = [("one colour", 1, 2, 7, 5), ("three colours", 3, 4, 5, 7)]
SIDE_OF_INPUT_FIELD = 3  # a 7 x 7 kernel reaches three pixels to the side


def wide_awake(preset: str, channels: int, values: int, height: int, width: int) -> Model:
    """A double-precision network in which no unit sleeps: random biases, a head wide enough for some ReLU to pass."""
    model = untrained(
        preset, seed=7, layers=3, hidden=13, head=61, height=height, width=width, channels=channels, values=values
    )
    generator = torch.Generator().manual_seed(8)
    model.network.double()
    for parameter in model.network.parameters():
        if parameter.dim() == 1:
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model


def moved_by(model: Model, values: Tensor, variable: tuple[int, int, int]) -> Tensor:
    """(C, H, W) bool: the variables whose logits change when one variable takes any other value."""
    c, y, x = variable
    base = model.network(values)
    moved = torch.zeros(values.shape[1:], dtype=torch.bool)
    for shift in range(1, model.config.values):
        changed = values.clone()
        changed[0, c, y, x] = (changed[0, c, y, x] + shift) % model.config.values
        moved |= (model.network(changed) != base).any(1)[0]
    return moved


def later(variable: tuple[int, int, int], shape: torch.Size) -> Tensor:
    """(C, H, W) bool: the variables drawn after this one, in raster order and R, G, B within a pixel."""
    C, H, W = shape
    c, y, x = variable
    order = torch.arange(H * W * C).view(H, W, C).permute(2, 0, 1)
    return order > order[c, y, x]


def all_variables(shape: torch.Size) -> list[tuple[int, int, int]]:
    return list(itertools.product(*map(range, shape)))


@pytest.mark.parametrize("preset", ["mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"])
@pytest.mark.parametrize(("channels", "values", "height", "width"), [s[1:] for s in SIZES], ids=[s[0] for s in SIZES])
def test_no_logit_moves_when_a_later_or_its_own_variable_changes(
    preset: str, channels: int, values: int, height: int, width: int
) -> None:
    """Nothing leaks: only logits of later variables ever move, for every variable of the image."""
    model = wide_awake(preset, channels, values, height, width)
    image = torch.randint(0, values, (1, channels, height, width), generator=torch.Generator().manual_seed(1))
    for variable in all_variables(image.shape[1:]):
        assert not (moved_by(model, image, variable) & ~later(variable, image.shape[1:])).any(), variable


@pytest.mark.parametrize(("channels", "values", "height", "width"), [(1, 2, 7, 4), (3, 4, 5, 3), (1, 3, 6, 1)])
def test_every_later_logit_moves_in_a_diagonal_bilstm(channels: int, values: int, height: int, width: int) -> None:
    """The Diagonal BiLSTM captures the entire available context (section 3.2), colours of the pixel included."""
    model = wide_awake("mnist-diagonal-bilstm", channels, values, height, width)
    image = torch.randint(0, values, (1, channels, height, width), generator=torch.Generator().manual_seed(1))
    for variable in all_variables(image.shape[1:]):
        assert torch.equal(moved_by(model, image, variable), later(variable, image.shape[1:])), variable


@pytest.mark.parametrize(("channels", "values", "height", "width"), [(1, 2, 5, 9), (3, 3, 4, 7)])
def test_a_wide_diagonal_bilstm_misses_only_the_last_pixel_of_the_row_above(
    channels: int, values: int, height: int, width: int
) -> None:
    """What the paper's construction leaves out, exactly.

    Features at a pixel are made by mask A and do not hold the pixel itself, and the right-to-left map that the row
    below sees is made of the features of its own row. So the last pixel of a row is first seen in the next row by
    pixels whose 7 x 7 field reaches it; those further left than that miss this one pixel, and no other.
    """
    model = wide_awake("mnist-diagonal-bilstm", channels, values, height, width)
    image = torch.randint(0, values, (1, channels, height, width), generator=torch.Generator().manual_seed(1))
    for c, y, x in all_variables(image.shape[1:]):
        expected = later((c, y, x), image.shape[1:])
        if x == width - 1 and y + 1 < height and c == channels - 1:
            expected[:, y + 1, : width - 1 - SIDE_OF_INPUT_FIELD] = False
        moved = moved_by(model, image, (c, y, x))
        assert torch.equal(moved, expected), (c, y, x)


def test_a_pixelcnn_sees_its_field_and_no_further() -> None:
    """7 x 7, then 3 x 3 for each layer: the field grows by one pixel a layer (section 3.5)."""
    model = wide_awake("mnist-pixelcnn", 1, 2, 13, 13)
    image = torch.randint(0, 2, (1, 1, 13, 13), generator=torch.Generator().manual_seed(1))
    layers = model.config.layers
    for y, x in [(0, 0), (5, 6), (6, 12)]:
        moved = moved_by(model, image, (0, y, x))[0]
        rows, columns = torch.meshgrid(torch.arange(13), torch.arange(13), indexing="ij")
        down, across = rows - y, columns - x
        # Up to 3 + L rows below; sideways 3 + L too, but what travels down a row leaves one step to the left less.
        assert not moved[(down > 3 + layers) | (across.abs() > 3 + layers)].any()
        assert moved[(down == 0) & (across > 0) & (across <= 3 + layers)].all()
        assert moved[(across == 0) & (down > 0) & (down <= 3 + layers)].all()
