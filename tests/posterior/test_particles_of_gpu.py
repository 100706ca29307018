"""Two sweeps may be drawn at the same time also if the weights are on a GPU which does
not draw itself."""

from copy import deepcopy

import numpy as np
import pytest

from model_core.models import Model
from model_core.networks.pixel_network import PixelNetwork
from model_core.posterior.islands import IslandsRun
from model_core.posterior.particles import Stages
from model_core.posterior.targets import Target
from model_core.sampling import main_memory
from tests.labelled_models import labelled
from tests.posterior.tiny import CENTRE, KINDS, awake, network_of

H, W = CENTRE.shape


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> dict[PixelNetwork, PixelNetwork]:
    """Networks whose weights are not in main memory, each with its copy there.

    torch's device `meta` stands for a GPU: weights on it cannot be read either, except
    through the copy.
    """
    copies: dict[PixelNetwork, PixelNetwork] = {}
    monkeypatch.setattr(main_memory, "deepcopy", copies.__getitem__)
    return copies


def moved_away(model: Model, away: dict[PixelNetwork, PixelNetwork]) -> Model:
    """Return the same model with its weights away."""
    copy = network_of(model)
    network = deepcopy(copy).to("meta")
    away[network] = copy
    return Model.of(network, model.card)


def drawn(model: Model, stages: Stages) -> list[np.ndarray]:
    """Return an image of a completion, and its marginals."""
    config = model.config
    shape = config.channels, config.height, config.width
    known = np.random.default_rng(3).integers(0, config.values, shape)
    run = IslandsRun(Target.of(model, known, CENTRE, 1.0), 5, 12, 2, stages)
    image = run.draw(0)
    _, found = run.receipt()
    return [image, found.mean, found.entropy_bits]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("preset", [*KINDS, "labels"])
def test_completions_of_weights_on_a_card_have_the_bytes_of_those_in_main_memory(
    away: dict[PixelNetwork, PixelNetwork], preset: str, threads: int
) -> None:
    size = {"height": H, "width": W}
    model = (
        labelled("mnist-row-lstm", **size)
        if preset == "labels"
        else awake(preset, **size)
    )
    stages = Stages(threads)
    expected = drawn(model, Stages(1))
    found = drawn(moved_away(model, away), stages)
    for its, right in zip(found, expected, strict=True):
        np.testing.assert_array_equal(its, right)
