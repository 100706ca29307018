"""The expectation of each pixel while images are still being drawn."""

import numpy as np
import pytest
from numpy.typing import NDArray

from model_core.models import Model
from model_core.posterior.islands import IslandsRun
from model_core.posterior.marginals import START, SoFar, Weighted
from model_core.posterior.targets import Target
from tests.posterior.tiny import CENTRE, LEFT, awake, mask, mixture

IMAGES = 2


def run_of(model: Model, keep: NDArray[np.bool_]) -> IslandsRun:
    config = model.config
    known = np.random.default_rng(1).integers(
        0, config.values, (config.channels, *keep.shape)
    )
    return IslandsRun(Target.of(model, known, keep, 1.0), seed=3, particles=6, sweeps=2)


MODELS = {
    "one member": (awake("mnist-row-lstm", height=6, width=9), CENTRE),
    "colour": (awake("mnist-pixelcnn", height=6, width=9, channels=3, values=4), LEFT),
    "categories": (
        awake("mnist-pixelcnn", height=6, width=9, categories=True, values=3),
        CENTRE,
    ),
    "a member that comes last": (
        mixture("none", "flip_left_right"),
        mask(" ".join(["###..."] * 6)),
    ),
}


@pytest.mark.parametrize("case", MODELS)
def test_whoever_asks_what_is_expected_changes_no_bit(case: str) -> None:
    """Images, receipt and marginals; asked after each step there is news now and then, of the given pixels as they are,
    and at the end not far from the marginals."""
    model, keep = MODELS[case]
    quiet, asked, told = run_of(model, keep), run_of(model, keep), []
    for i in range(IMAGES):
        expected = quiet.draw(i)
        steps = asked.steps(i)
        drawn = next(steps)
        while not isinstance(drawn, np.ndarray):
            told.append(asked.expected_so_far())
            assert asked.expected_so_far() is None
            drawn = next(steps)
        np.testing.assert_array_equal(drawn, expected)
    (receipt, found), (again, found_again) = quiet.receipt(), asked.receipt()
    assert again == receipt
    np.testing.assert_array_equal(found_again.mean, found.mean)
    np.testing.assert_array_equal(found_again.entropy_bits, found.entropy_bits)
    news = [each for each in told if each is not None]
    assert 0 < len(news) < len(told)
    for each in news:
        np.testing.assert_array_equal(each[:, keep], found.mean[:, keep])
        assert (each >= 0).all()
        assert (each <= model.config.values - 1).all()
    assert np.abs(news[-1] - found.mean).mean() < 0.2 * (model.config.values - 1)


def test_moves_outweigh_the_images_that_a_chain_begins_with() -> None:
    """By hand: a start says 1 of both pixels, a move then 0 of the first."""
    known, keep = np.array([[[2, 0, 0]]]), np.array([[True, False, False]])
    so_far = SoFar(known, keep)
    assert so_far.news() is None
    so_far.add(Weighted(np.array([[[[2, 1, 1]]]]), np.ones(1)), ~keep, START)
    np.testing.assert_allclose(so_far.news(), [[[2, 1, 1]]])
    halves = Weighted(np.array([[[[2, 0, 1]]], [[[2, 1, 1]]]]), np.array([0.75, 0.25]))
    so_far.add(halves, np.array([[False, True, False]]))
    np.testing.assert_allclose(so_far.news(), [[[2, (START + 0.25) / (START + 1), 1]]])


def test_of_categories_the_likeliest_is_expected() -> None:
    """None is between two others: of 0, 2 and 2 it is 2, never 1."""
    known, keep = np.array([[[1, 0, 0]]]), np.array([[True, False, False]])
    so_far = SoFar(known, keep, categories=3)
    so_far.add(
        Weighted(
            np.array([[[[1, 0, 2]]], [[[1, 2, 0]]], [[[1, 2, 0]]]]),
            np.array([0.3, 0.3, 0.4]),
        ),
        ~keep,
    )
    np.testing.assert_array_equal(so_far.news(), [[[1, 2, 0]]])
