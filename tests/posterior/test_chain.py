"""Chains of particles on tiny images: their distribution is the exact posterior."""

from collections import deque
from dataclasses import replace

import numpy as np
import pytest
import torch

from model_core import log_likelihood, sample
from model_core.measures.likelihood import nats_per_image
from model_core.models import Model
from model_core.posterior.chain import Chain, seat
from model_core.posterior.islands import IslandsRun, mixture_and_starts
from model_core.posterior.mixture import Given
from model_core.posterior.particles import StageParticles, Stages
from model_core.posterior.targets import Target
from tests.posterior.tiny import (
    TINY,
    awake,
    by_particles,
    chi_square_excess,
    finished,
    mask,
    mixture,
    network_of,
    truth,
)


@pytest.mark.parametrize(
    ("preset", "hole", "temperature"),
    [
        ("mnist-pixelcnn", "centre", 1.0),
        ("mnist-row-lstm", "scattered", 0.7),
        ("mnist-diagonal-bilstm", "scattered", 1.0),
        ("mnist-diagonal-bilstm", "upper", 0.7),
    ],
)
def test_completions_follow_the_exact_posterior(
    preset: str, hole: str, temperature: float
) -> None:
    """300 islands of 64 particles against enumeration; and their evidence is unbiased."""
    model, keep = awake(preset, height=4, width=4), TINY[hole]
    known = np.random.default_rng(1).integers(0, 2, (1, 4, 4))
    true = truth(model, known, keep, temperature)
    particles = StageParticles(network_of(model), 64)
    holes = (
        Given(known, keep, seed=11, sample=i, temperature=temperature)
        for i in range(300)
    )
    runs = [finished(particles, each, 64) for each in holes]
    images = np.stack([run.image for run in runs])
    assert chi_square_excess(images, true) < 4
    p = np.exp([run.log_evidence for run in runs])
    assert abs(p.mean() - np.exp(-true.nats)) < 3 * p.std() / np.sqrt(len(p)) + 1e-9


def test_sweeps_bring_few_particles_to_the_exact_posterior() -> None:
    """Three particles alone are biased; after five rounds, of the whole hole and of windows, they are not. Larger
    weights tie the hole to what is given."""
    model, keep = (
        awake("mnist-row-lstm", seed=6, height=3, width=3),
        mask("... ... ###"),
    )
    for parameter in model.network.parameters():
        parameter.mul_(2)
    known = np.random.default_rng(1).integers(0, 2, (1, 3, 3))
    true = truth(model, known, keep, 1.0)
    particles = StageParticles(network_of(model), 3)
    excess = []
    for sweeps in (0, 5):
        holes = (
            Given(known, keep, seed=4, sample=i, temperature=1.0) for i in range(100)
        )
        images = [finished(particles, hole, 3, sweeps).image for hole in holes]
        excess.append(chi_square_excess(np.stack(images), true))
    assert excess[0] > 50
    assert excess[1] < 4


def test_completions_of_a_mixture_follow_the_mixture_s_posterior() -> None:
    """Two members that disagree, few particles, and something given behind the hole in either order: the images follow
    the model's posterior and not a member's alone; and the evidence is the model's."""
    model = mixture("none", "rotate_180", side=3, scale=1.5)
    keep, known = (
        mask("#.. #.. .##"),
        np.random.default_rng(1).integers(0, 2, (1, 3, 3)),
    )
    true = truth(model, known, keep, 0.7)
    done = by_particles(
        model,
        torch.from_numpy(known),
        torch.from_numpy(keep),
        80,
        4,
        0.7,
        particles=8,
        sweeps=1,
    )
    assert not done.exact
    assert chi_square_excess(done.values.numpy(), true) < 4
    alone = [
        truth(Model((member,), model.card), known, keep, 0.7)
        for member in model.members
    ]
    assert max(chi_square_excess(done.values.numpy(), each) for each in alone) > 4
    assert done.receipt.evidence_nats == pytest.approx(true.nats, abs=0.1)


@pytest.mark.parametrize("size", ["SMALL", "LARGER"])
def test_a_mixture_that_begins_again_follows_the_exact_posterior(
    size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where first particles are never worth anything, and strange in larger images, eight begin again, and each member
    draws the hole's tail, weighed by the whole mixture; no window mends what that did."""
    monkeypatch.setattr("model_core.posterior.chain.FEW", 1e9)
    monkeypatch.setattr(
        "model_core.posterior.chain.SMALL", 256 if size == "SMALL" else 0
    )
    monkeypatch.setattr(f"model_core.posterior.chain.OF_{size}", 8)
    monkeypatch.setattr("model_core.posterior.chain.Chain._blocks", lambda chain: [])
    model = mixture("none", "rotate_180", side=3, scale=2.5)
    keep, known = (
        mask("#.. #.. .##"),
        np.random.default_rng(1).integers(0, 2, (1, 3, 3)),
    )
    target = replace(
        Target.of(model, known, keep, 1.0),
        strange_nats=None if size == "SMALL" else 0.001,
    )
    ways, starts = mixture_and_starts(target, 2, Stages().of)
    chains = [Chain(ways, target.given(4, i), 2, starts) for i in range(150)]
    for i, chain in enumerate(chains):
        deque(chain.begin(), 0)
        seat([chain], i / 150)
        deque(chain.rounds(5), 0)
    assert all(chain.is_lost and chain.began_with == 8 for chain in chains)
    images = np.stack([chain.image for chain in chains])
    assert chi_square_excess(images, truth(model, known, keep, 1.0)) < 4
    alone = [
        truth(Model((member,), model.card), known, keep, 1.0)
        for member in model.members
    ]
    assert min(chi_square_excess(images, each) for each in alone) > 4


@pytest.mark.parametrize(
    ("strange_nats", "particles"), [(None, 4), (1e9, 4), (0.001, 16)]
)
def test_a_receipt_counts_the_particles_that_began_again(
    strange_nats: float | None, particles: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight of each chain, where four were asked for and the images that they came to are strange."""
    monkeypatch.setattr("model_core.posterior.chain.FEW", 1e9)
    monkeypatch.setattr("model_core.posterior.chain.SMALL", 0)
    monkeypatch.setattr("model_core.posterior.chain.OF_LARGER", 8)
    model, keep, known = (
        mixture("none", "rotate_180", side=3),
        mask("#.. #.. .##"),
        np.zeros((1, 3, 3), np.int64),
    )
    run = IslandsRun(
        replace(Target.of(model, known, keep, 1.0), strange_nats=strange_nats),
        4,
        particles=4,
        sweeps=1,
    )
    run.draw(0)
    assert run.receipt()[0].particles == particles


def test_a_sweep_with_one_particle_left_estimates_p_of_all_that_is_given() -> None:
    """The network is strict, so that often only the retained image is left after the
    hole; the given rows below the hole count nevertheless."""
    model = awake("mnist-row-lstm", 3, height=6, width=6)
    for parameter in model.network.parameters():
        parameter.mul_(3)
    keep = mask("##..## ##.### ###### ###### ###### ######")
    known = np.random.default_rng(1).integers(0, 2, (1, 6, 6))
    target = Target.of(model, known, keep, 1.0)
    mixed, starts = mixture_and_starts(target, 16, Stages().of)
    above = []
    for sample_number in range(10):
        chain = Chain(mixed, target.given(5, sample_number), 16, starts)
        deque(chain.begin(), maxlen=0)
        seat([chain], 0.5)
        deque(chain.rounds(1), maxlen=0)
        deque(chain.look_back(), maxlen=0)
        above.append(-chain.log_evidence_above)
    np.testing.assert_allclose(above, truth(model, known, keep, 1.0).nats, atol=1)


def test_completions_in_colour_follow_the_exact_posterior() -> None:
    """Three colours of three values, two pixels apart."""
    model = awake("mnist-row-lstm", seed=2, height=3, width=3, channels=3, values=3)
    keep, known = (
        mask("#.# ### .##"),
        np.random.default_rng(1).integers(0, 3, (3, 3, 3)),
    )
    done = by_particles(
        model,
        torch.from_numpy(known),
        torch.from_numpy(keep),
        60,
        4,
        1.0,
        particles=16,
        sweeps=1,
    )
    true = truth(model, known, keep, 1.0)
    assert chi_square_excess(done.values.numpy(), true) < 4
    assert done.receipt.evidence_nats == pytest.approx(true.nats, abs=0.1)


def test_completions_are_as_likely_as_images_of_the_model() -> None:
    """Images of the model, a hole in each, completed: the mean nats are the same; clamped ones cost more."""
    model = awake("mnist-diagonal-bilstm", seed=3, height=6, width=9)
    keep = torch.from_numpy(
        mask("......... ......... ######### ######### ......... #########")
    )
    originals = sample(model, 40, seed=1)
    nats = {}
    for method in ("posterior", "clamp"):
        drawn = [
            by_particles(
                model, image, keep, n=1, seed=i, method=method, particles=48, sweeps=0
            ).values
            for i, image in enumerate(originals)
        ]
        nats[method] = -log_likelihood(model, torch.cat(drawn)).double()
    with torch.inference_mode():
        paired = nats["posterior"] - nats_per_image(model.network, originals).double()
    assert abs(float(paired.mean())) < 3 * float(paired.std()) / 40**0.5 + 0.1
