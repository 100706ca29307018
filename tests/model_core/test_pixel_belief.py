"""What a model expects of one pixel."""

import math

import numpy as np
import pytest

from model_core import Model, untrained
from model_core.measures.picture_score import score_picture
from model_core.measures.pixel_belief import pixel_belief

SMALL = {"layers": 1, "hidden": 6, "head": 8}


@pytest.fixture(scope="module", params=["colour", "multi-scale"])
def model(request: pytest.FixtureRequest) -> Model:
    """Three colours of four values, H != W."""
    if request.param == "colour":
        return untrained(
            "mnist-pixelcnn", seed=5, height=4, width=6, channels=3, values=4, **SMALL
        )
    stages = {"small_layers": 1, "small_hidden": 6, "conditioning": 4, "factor": 2}
    return untrained(
        "cifar10-multi-scale",
        seed=6,
        height=4,
        width=6,
        channels=3,
        values=4,
        **SMALL,
        **stages,
    )


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 4, (3, 4, 6))


def test_bits_are_those_of_the_score_at_every_pixel(
    model: Model, picture: np.ndarray
) -> None:
    """The true values cost what the score map says there, in both stages."""
    bits = score_picture(model, picture).bits  # (C, H, W)
    for y, x in ((0, 0), (1, 3), (2, 4), (3, 5)):
        beliefs = pixel_belief(model, picture, y, x)
        assert [belief.bits for belief in beliefs] == pytest.approx(
            bits[:, y, x], abs=1e-5
        )
        assert [belief.value for belief in beliefs] == picture[:, y, x].tolist()


def test_probabilities_add_up_and_entropy_is_between_none_and_uniform(
    model: Model, picture: np.ndarray
) -> None:
    """Each colour has a distribution over all values."""
    for belief in pixel_belief(model, picture, 1, 2):
        assert belief.probabilities.shape == (4,)
        assert belief.probabilities.sum() == pytest.approx(1)
        assert 0 <= belief.entropy_bits <= math.log2(4) + 1e-9


def test_belief_sees_earlier_colours_and_no_later_ones(picture: np.ndarray) -> None:
    """Green is expected given red of the same pixel, and never given blue."""
    model = untrained(
        "mnist-pixelcnn", seed=5, height=4, width=6, channels=3, values=4, **SMALL
    )
    before = pixel_belief(model, picture, 2, 3)
    for changed, moved in ((0, [False, True, True]), (2, [False, False, False])):
        other = picture.copy()
        other[changed, 2, 3] = (other[changed, 2, 3] + 1) % 4
        after = pixel_belief(model, other, 2, 3)
        differs = [
            not np.allclose(a.probabilities, b.probabilities)
            for a, b in zip(before, after, strict=True)
        ]
        assert differs == moved


def test_not_finite_when_the_network_is_broken(picture: np.ndarray) -> None:
    """No distribution is made of numbers that are none."""
    model = untrained(
        "mnist-pixelcnn", seed=5, height=4, width=6, channels=3, values=4, **SMALL
    )
    for parameter in model.network.parameters():
        parameter.data.fill_(math.nan)
    with pytest.raises(FloatingPointError):
        pixel_belief(model, picture, 0, 0)
