"""Particles draw and weigh as the slow truth does."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model_core.elementary import exp, log, log_sum
from model_core.posterior import smc
from model_core.posterior.island import ImpossibleError, Island
from model_core.posterior.mixture import Given
from model_core.posterior.particles import StageParticles
from model_core.posterior.smc import Hole, Sweep
from model_core.sampling.stage import Drawing
from model_core.sampling.stages import stage_for
from tests.posterior.reference import ReferenceParticles
from tests.posterior.tiny import (
    CENTRE,
    KINDS,
    LEFT,
    SCATTERED,
    awake,
    finished,
    mask,
    network_of,
)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("preset", KINDS)
@pytest.mark.parametrize(
    ("keep", "channels", "values"), [(SCATTERED, 3, 4), (LEFT, 1, 2), (CENTRE, 3, 4)]
)
def test_particles_in_compiled_code_equal_the_slow_truth(
    preset: str, keep: NDArray[np.bool_], channels: int, values: int
) -> None:
    """Images of all particles byte for byte, ln p to the last digits, also where they are copied within a row, and with
    an image that is retained."""
    network = network_of(
        awake(preset, height=6, width=9, channels=channels, values=values)
    )
    known = np.random.default_rng(3).integers(0, values, (channels, 6, 9))
    hole = Given(known, keep, seed=5, sample=0, temperature=0.7)
    ours = finished(StageParticles(network, 8), hole, 8, moves=1)
    theirs = finished(ReferenceParticles(network), hole, 8, moves=1)
    assert (ours.image == theirs.image).all()
    assert (ours.last.images == theirs.last.images).all()
    assert ours.last.weights == pytest.approx(theirs.last.weights, abs=1e-5)
    assert ours.log_evidence == pytest.approx(theirs.log_evidence, abs=1e-4)
    assert (ours.image[:, keep] == known[:, keep]).all()


@pytest.mark.parametrize("preset", KINDS)
def test_particles_in_plain_torch_equal_the_slow_truth(preset: str) -> None:
    """In double precision, compared after whole rows."""
    network = network_of(
        awake(preset, height=6, width=9, channels=3, values=3)
    ).double()
    known = np.random.default_rng(3).integers(0, 3, (3, 6, 9))
    hole = Given(known, SCATTERED, seed=5, sample=1, temperature=1.0)
    assert not stage_for(network).stops_within_rows
    runs = [
        finished(particles, hole, 6, within_rows=False, moves=1)
        for particles in (StageParticles(network, 6), ReferenceParticles(network))
    ]
    mine, true = (run.last for run in runs)
    assert (mine.images == true.images).all()
    assert mine.weights == pytest.approx(true.weights, abs=1e-9)
    assert runs[0].log_evidence == pytest.approx(runs[1].log_evidence, abs=1e-9)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
@pytest.mark.parametrize("preset", KINDS)
def test_ln_p_of_given_pixels_is_the_teacher_forced_pass_s(
    preset: str, precision: torch.dtype
) -> None:
    """Summed by row, of a whole image, to a millionth of its nats; of no pixel that was not asked for."""
    network = network_of(awake(preset, height=5, width=7, channels=3, values=6)).to(
        precision
    )
    image = torch.randint(0, 6, (3, 5, 7), generator=torch.Generator().manual_seed(2))
    keep, asked = torch.ones(5, 7, dtype=torch.bool), torch.ones(5, 7, dtype=torch.bool)
    asked[3] = False
    with torch.inference_mode():
        stage = stage_for(network)(network, 2)
        for slot, weighed in enumerate((torch.ones_like(asked), asked)):
            stage.open(
                slot,
                Drawing(
                    torch.zeros(5, 7, 3, dtype=torch.float64),
                    1.0,
                    image,
                    keep,
                    weighed=weighed,
                ),
            )
        while stage.step():
            pass
        rows = -network.double().nats_map(image[None])[0].sum((0, 2)).numpy()  # (H,)
    assert stage.log_p(0) == pytest.approx(rows, rel=1e-6)
    assert stage.log_p(1) == pytest.approx(
        np.where(asked.all(1).numpy(), rows, 0), rel=1e-6
    )


def test_an_island_resamples_in_place_and_keeps_count() -> None:
    """Parents keep their places; copies come by weight; ESS, evidence and ancestors follow."""
    island = Island(4)
    island.weigh(np.log([0.7, 0.1, 0.1, 0.1]))
    assert island.ess == pytest.approx(1 / 0.52)
    assert island.is_poor
    parents = island.resample(np.array([0.1, 0, 0, 0]))
    assert parents[0] == 0
    assert (parents == 0).sum() == 3
    assert island.evidence() == pytest.approx(np.log(0.25))
    assert len(set(island.ancestors)) == 2
    retained = Island(3, retained=1)
    retained.weigh(np.array([0.0, -50.0, 0.0]))
    assert retained.resample(np.array([0.1, 0.2, 0.9]))[1] == 1


def test_particles_that_are_the_same_go_on_as_one() -> None:
    """With their weight together: shares and evidence stay; the retained one keeps its place."""
    island = Island(5, retained=0)
    island.weigh(np.log([0.1, 0.2, 0.3, 0.2, 0.2]))
    before = island.evidence()
    assert island.merge(np.array([0, 1, 0, 3, 1])).tolist() == [0, 1, 3]
    assert island.weights == pytest.approx([0.4, 0.4, 0.2])
    assert island.evidence() == pytest.approx(before)
    assert island.merge(np.zeros(3, np.int64)).tolist() == [0]
    assert island.evidence() == pytest.approx(before)


@pytest.mark.parametrize(
    "keep", [CENTRE, mask("#########/###...###/#########".replace("/", " "))]
)
def test_a_sweep_that_merges_weighs_images_as_one_that_does_not(
    keep: NDArray[np.bool_], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each different image has the weight of all particles that are the same, all of which go on to the end."""
    monkeypatch.setattr(smc, "LAST", 16)
    network = network_of(awake("mnist-row-lstm", height=len(keep), width=9))
    known = np.random.default_rng(3).integers(0, 2, keep.shape)[None]
    hole, found = Hole(known, keep, 5, 0, 1.0), []
    for merges in (True, False):
        sweep = Sweep(StageParticles(network, 16), hole, 16, 1, known)
        sweep._is_merged = not merges
        while not sweep.finished:
            sweep.step()
        weights: dict[bytes, float] = {}
        assert sweep.images is not None
        for image, weight in zip(sweep.images, sweep.island.weights, strict=True):
            weights[image.tobytes()] = weights.get(image.tobytes(), 0.0) + weight
        found.append((len(sweep.images), weights))
    assert found[0][0] < found[1][0]
    assert found[0][1] == pytest.approx(found[1][1])


def test_what_the_model_finds_impossible_is_said() -> None:
    """No NaN: when all weights are zero, a sentence."""
    with pytest.raises(ImpossibleError, match="finds the given pixels impossible"):
        Island(2).weigh(np.array([-np.inf, -np.inf]))


def test_exp_log_and_sums_are_right_to_the_last_places() -> None:
    """Against the standard library, over all that weights can be; the sum of many does not depend on their order."""
    x = np.concatenate(
        [
            np.random.default_rng(0).uniform(-700, 700, 20_000),
            [0.0, -1e-300, 1e-9, -746.0, -np.inf],
        ]
    )
    assert exp(x) == pytest.approx([math.exp(each) for each in x], rel=5e-16)
    y = np.abs(np.random.default_rng(1).normal(0, 1, 20_000)) ** 9 + 5e-324
    assert log(y) == pytest.approx([math.log(each) for each in y], rel=5e-16, abs=2e-16)
    terms = np.random.default_rng(2).normal(0, 30, 500)
    assert log_sum(terms) == log_sum(terms[::-1])
    assert log_sum(terms) == pytest.approx(np.logaddexp.reduce(terms), rel=1e-13)
