"""The stage in plain torch: company that comes and goes."""

import numpy as np
import pytest
import torch

from model_core import sample
from model_core.models import Model
from model_core.networks import PixelNetwork
from model_core.sampling.plain import PlainStage
from tests.model_core.lively import (
    PRESETS,
    H,
    W,
    drawing,
    finish,
    lively,
    plain,
    scales,
)
from tests.model_core.reference import reference_sample


@pytest.fixture(params=PRESETS)
def model(request: pytest.FixtureRequest) -> Model:
    return lively(request.param)


def alone(network: PixelNetwork, i: int, given: int = 0) -> np.ndarray:
    stage = PlainStage(network, 1)
    stage.open(0, drawing(i, given))
    return finish(stage)[0]


@pytest.mark.parametrize(("channels", "values"), [(1, 2), (3, 4)])
@pytest.mark.parametrize("preset", PRESETS)
def test_images_equal_the_reference_when_rows_are_drawn_in_a_wave(
    preset: str, channels: int, values: int
) -> None:
    """Samples and completions, three rows of each at once."""
    model = lively(preset, channels=channels, values=values)
    assert torch.equal(sample(model, 2, seed=11), reference_sample(model, 2, seed=11))
    generator = torch.Generator().manual_seed(4)
    known = torch.randint(0, values, (channels, H, W), generator=generator)
    keep = torch.rand(H, W, generator=generator) < 0.5
    assert torch.equal(
        sample(model, 2, 4, 0.7, known, keep),
        reference_sample(model, 2, 4, 0.7, known, keep),
    )


@pytest.mark.parametrize("base", ["pixel-cnn", "row-lstm", "diagonal-bilstm"])
def test_multi_scale_equals_the_reference_when_rows_are_drawn_in_a_wave(
    base: str,
) -> None:
    """Both stages, the second with its conditioning map."""
    model = scales(network=base)
    assert torch.equal(sample(model, 2, seed=3), reference_sample(model, 2, seed=3))


def test_bytes_are_the_same_when_company_comes_and_goes(model: Model) -> None:
    """An image joins beside ones in the middle, others leave and a slot is used again."""
    stage = PlainStage(plain(model), 3)
    stage.open(2, drawing(0))
    for _ in range(2):
        stage.step()
    stage.open(0, drawing(1))
    stage.step()
    stage.close(2)
    stage.open(1, drawing(2, given=2))
    stage.open(2, drawing(3))
    images = finish(stage)
    np.testing.assert_array_equal(images[1], alone(plain(model), 2, given=2))
    np.testing.assert_array_equal(images[2], alone(plain(model), 3))
    np.testing.assert_array_equal(
        images[0], alone(plain(model), 1)[:, -images[0].shape[1] :]
    )


@pytest.mark.parametrize("given", [1, H])
def test_fork_gives_the_bytes_of_an_image_drawn_from_the_top(
    model: Model, given: int
) -> None:
    """Also beside the one it was taken from, and where only the last row is left."""
    stage = PlainStage(plain(model), 3)
    stage.open(2, drawing(0, given))
    first = drawing(1, given).given_rows
    while not any(row.y == first - 1 for row in stage.step()):
        pass
    stage.fork(2, 0, drawing(1, given))
    images = finish(stage)
    for slot, i in ((2, 0), (0, 1)):
        np.testing.assert_array_equal(
            images[slot], alone(plain(model), i, given)[:, first:]
        )


def test_first_row_of_an_image_is_there_when_its_width_is_drawn(model: Model) -> None:
    """And one more with each step after that, though several are being drawn."""
    stage = PlainStage(plain(model), 1)
    stage.open(0, drawing(0))
    assert [[row.y for row in stage.step()] for _ in range(H + 1)] == [
        [0],
        [1],
        [2],
        [3],
        [],
    ]


def test_logits_that_are_not_finite_end_the_step_when_they_are_drawn_from(
    model: Model,
) -> None:
    """And not where the pixels are given."""
    plain(model).head.output.bias[0] = torch.nan
    stage = PlainStage(plain(model), 2)
    stage.open(0, drawing(0, given=H - 1))
    for y in range(H - 1):
        assert [row.y for row in stage.step()] == [y]
    with pytest.raises(FloatingPointError, match="not finite"):
        stage.step()
