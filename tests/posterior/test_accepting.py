"""Draws of a mixture without a chain: they follow the mixture's posterior, or say that they cannot."""

from collections import deque
from functools import partial

import numpy as np
import pytest
import torch

from model_core.models import Model
from model_core.orientation import Orientation
from model_core.posterior.accepting import Accepting
from model_core.posterior.mixture import Mixture, Way
from model_core.posterior.particles import StageParticles
from model_core.posterior.targets import Target
from tests.posterior.tiny import (
    by_particles,
    chi_square_excess,
    mask,
    mixture,
    network_of,
    truth,
)

KNOWN = np.random.default_rng(1).integers(0, 2, (1, 3, 3))


def variation(
    images: torch.Tensor, model: Model, keep: str, temperature: float
) -> tuple[float, float]:
    """Total variation between images (n, C, H, W) and the model's posterior, and that of as many exact draws."""
    true, n = truth(model, KNOWN, mask(keep), temperature), len(images)
    keys = {outcome.tobytes(): i for i, outcome in enumerate(true.outcomes)}
    counts = np.bincount(
        [keys[image.tobytes()] for image in images.numpy()], minlength=len(true.p)
    )
    noise = np.sqrt(2 * true.p * (1 - true.p) / (np.pi * n)).sum() / 2
    return float(abs(counts / n - true.p).sum() / 2), float(noise)


@pytest.mark.parametrize(
    ("keep", "scale"), [("### #.. ...", 1.5), ("### ##. ...", 1.5)]
)
def test_draws_of_the_member_that_comes_last_follow_the_mixture_s_posterior(
    keep: str, scale: float
) -> None:
    """600 images of three members that disagree, against all outcomes: no chain was needed, that member's own
    distribution is another one, and evidence and marginals are the model's."""
    model = mixture("none", "rotate_180", "transpose", side=3, scale=scale)
    true = truth(model, KNOWN, mask(keep), 0.7)
    given = torch.from_numpy(KNOWN), torch.from_numpy(mask(keep))
    done = by_particles(model, *given, 600, 4, 0.7)
    receipt = done.receipt
    assert (done.exact, done.member, receipt.apart_nats) == (False, "none", None)
    # The network was never calibrated: what it finds less probable than noise is poor.
    words = ["poor" if nats > 9 * np.log(2) else "good" for nats in receipt.nats]
    assert receipt.qualities == tuple(words)
    assert "good" in words
    far, noise = variation(done.values, model, keep, 0.7)
    assert far < 1.8 * noise
    assert chi_square_excess(done.values.numpy(), true) < 3
    alone = truth(Model(model.members[:1], model.card), KNOWN, mask(keep), 0.7)
    assert chi_square_excess(done.values.numpy(), alone) > 4
    assert done.receipt.evidence_nats == pytest.approx(
        true.nats, abs=3 * (done.receipt.evidence_sd or 0)
    )
    assert done.mean is not None
    assert done.mean.numpy() == pytest.approx(
        np.tensordot(true.p, true.outcomes, 1), abs=0.25
    )


def test_a_member_that_has_nearly_all_the_weight_is_not_overlooked() -> None:
    """The one that comes last never draws what another is sure of; particles of that one tell, and a chain follows."""
    model, keep = (
        mixture("none", "rotate_180", "transpose", side=3, scale=2),
        "### ... ...",
    )
    done = by_particles(
        model,
        torch.from_numpy(KNOWN),
        torch.from_numpy(mask(keep)),
        60,
        4,
        0.7,
        particles=8,
    )
    assert done.receipt.apart_nats is not None
    far, noise = variation(done.values, model, keep, 0.7)
    assert far < 2 * noise


def test_the_pool_and_each_image_are_functions_of_the_seed() -> None:
    """Images do not depend on how many are asked for, nor do the marginals; another seed draws others."""
    model, keep = (
        mixture("none", "rotate_180", side=3),
        torch.from_numpy(mask("### #.. ...")),
    )
    known = torch.from_numpy(KNOWN)
    five, two = (by_particles(model, known, keep, n, 7) for n in (5, 2))
    assert torch.equal(five.values[:2], two.values)
    assert five.mean is not None
    assert two.mean is not None
    assert torch.equal(five.mean, two.mean)
    assert five.receipt.ess == two.receipt.ess
    other = by_particles(model, known, keep, 5, 8)
    assert not torch.equal(five.values, other.values)
    assert five.receipt.particles == 32


def test_a_member_that_has_nearly_all_the_weight_draws_each_image_once() -> None:
    """Both members are one network in one orientation: what is drawn first is taken half of the time, and else soon."""
    names: list[Orientation] = ["none", "none"]
    one = mixture("none", side=3)
    model = Model((one.members[0], one.members[0]), one.card)
    target = Target.of(model, KNOWN, mask("### #.. ..."), 1.0)
    ways = [Way("none", partial(StageParticles, network_of(one))) for _ in names]
    drawn = Accepting(Mixture(ways), 0, partial(target.given, 7), 32, 16)
    deque(drawn.begin(), maxlen=0)
    assert drawn.suffices
    assert drawn.ess == pytest.approx(32)
    assert drawn.evidence_sd == pytest.approx(0, abs=1e-6)
    steps = [len(list(drawn.steps(i))) for i in range(30)]
    assert np.mean(steps) < 2 * min(steps)
