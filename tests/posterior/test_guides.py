"""Guides: networks that propose draws for a hole and have no say in what is probable."""

from collections import deque
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch

from model_core import Model
from model_core.components import Component, Member
from model_core.orientation import Orientation
from model_core.posterior.chain import Chain
from model_core.posterior.classify import classify
from model_core.posterior.islands import way_of
from model_core.posterior.mixture import Given, Mixture
from model_core.posterior.particles import StageParticles
from tests.labelled_models import SIZE, all_images, chi_square, fitting, joint, labelled
from tests.posterior.tiny import (
    awake,
    by_particles,
    chi_square_excess,
    mask,
    mixture,
    network_of,
    truth,
)

HOLES = {
    "above": mask("... ... ###"),
    "above, to the left": mask("..# ..# ###"),
    "mostly above": mask("... ... .#."),
    "in the middle": mask("##. #.. ###"),
}


def guided(
    model: Model,
    *orientations: Orientation,
    kind: str = "mnist-pixelcnn",
    scale: float = 1.5,
) -> Model:
    """A model with guides of another kind, which disagree with it."""
    networks = [
        awake(kind, seed=8 + k, height=3, width=3) for k in range(len(orientations))
    ]
    for parameter in (each for one in networks for each in one.network.parameters()):
        parameter.mul_(scale)
    pairs = zip(networks, orientations, strict=True)
    return replace(
        model,
        guides=tuple(
            Member(network_of(one), orientation) for one, orientation in pairs
        ),
    )


@pytest.mark.parametrize(
    "orientation", ["none", "flip_top_bottom", "rotate_90", "rotate_180"]
)
def test_few_draws_of_a_guide_tell_p_of_what_is_given_from_both_sides(
    orientation: Orientation,
) -> None:
    """By a PixelCNN, and a guide that sees images in any way: the mean of estimates is p(given); of those with an exact
    draw among the particles, that of the reciprocals is 1 / p(given)."""
    model = guided(
        awake("mnist-pixelcnn", seed=6, height=3, width=3),
        orientation,
        kind="mnist-row-lstm",
        scale=0.8,
    )
    known, random = (
        np.random.default_rng(1).integers(0, 2, (1, 3, 3)),
        np.random.default_rng(2),
    )
    ways = [
        way_of([Component(each)], 4, lru_cache(2)(StageParticles))
        for each in (*model.members, *model.guides)
    ]
    for name, starts in (
        ("above", [1]),
        ("above, to the left", [1]),
        ("above", [0]),
        ("above", [1, 0]),
    ):
        true = truth(model, known, HOLES[name], 1.0)
        found = []
        for sample in range(100):
            chain = Chain(
                Mixture(ways[:1], ways[1:]),
                Given(known, HOLES[name], 3, sample, 1.0),
                4,
                starts,
            )
            deque(chain.begin(), maxlen=0)
            chain.image = true.outcomes[random.choice(len(true.p), p=true.p)]
            chain.log_p = chain.mixture.log_p(chain.image[None], 1.0)[:, 0]
            deque(chain.look_back(), maxlen=0)
            found.append(
                [
                    chain.start.log_evidence + true.nats,
                    -true.nats - chain.log_evidence_above,
                ]
            )
        one = np.exp(found)[
            :, : 3 - len(starts)
        ]  # of two proposers that is taken which finds more
        assert (abs(one.mean(0) - 1) < 4 * one.std(0) / np.sqrt(len(one))).all()


def test_a_guide_that_misses_what_is_likely_is_not_alone() -> None:
    """The model's own particles begin chains beside it: what is given is found half as likely at the least, where the
    guide's draws alone found it 50 times less likely."""
    model = guided(
        awake("mnist-pixelcnn", seed=6, height=3, width=3),
        "flip_top_bottom",
        kind="mnist-row-lstm",
        scale=2,
    )
    known, keep = np.random.default_rng(1).integers(0, 2, (1, 3, 3)), HOLES["above"]
    done = by_particles(
        model, torch.from_numpy(known), torch.from_numpy(keep), 20, 4, particles=16
    )
    assert done.receipt.evidence_nats == pytest.approx(
        truth(model, known, keep, 1.0).nats + np.log(2), abs=0.1
    )


@pytest.mark.parametrize("hole", HOLES)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_completions_by_a_guide_follow_the_exact_posterior(
    hole: str, temperature: float
) -> None:
    """Of one network, by few particles and rounds of them, whatever the guide finds likely; so does the evidence."""
    model = guided(
        awake("mnist-row-lstm", seed=6, height=3, width=3), "flip_top_bottom"
    )
    keep, known = HOLES[hole], np.random.default_rng(1).integers(0, 2, (1, 3, 3))
    done = by_particles(
        model,
        torch.from_numpy(known),
        torch.from_numpy(keep),
        90,
        4,
        temperature,
        particles=16,
        sweeps=4,
    )
    true = truth(model, known, keep, temperature)
    assert chi_square_excess(done.values.numpy(), true) < 4
    assert done.receipt.evidence_nats == pytest.approx(true.nats, abs=0.2)


def test_the_members_of_a_mixture_are_guides_of_the_whole() -> None:
    """Two that disagree, one of them as a guide, and a stranger beside them."""
    plain = mixture("none", "rotate_180", side=3, scale=1.5)
    keep, known = (
        HOLES["above, to the left"],
        np.random.default_rng(1).integers(0, 2, (1, 3, 3)),
    )
    true = truth(plain, known, keep, 1.0)
    for model in (
        replace(plain, guides=plain.members[1:]),
        guided(plain, "flip_top_bottom"),
    ):
        done = by_particles(
            model,
            torch.from_numpy(known),
            torch.from_numpy(keep),
            90,
            4,
            particles=8,
            sweeps=2,
        )
        assert chi_square_excess(done.values.numpy(), true) < 4
        assert done.receipt.evidence_nats == pytest.approx(true.nats, abs=0.1)


@pytest.mark.parametrize("given", ["000000110", "001001111"])
def test_a_guide_without_labels_serves_a_model_that_has_some(given: str) -> None:
    """The images follow the sum over labels."""
    model, keep = labelled(), torch.tensor([each == "1" for each in given]).view(3, 3)
    guide = awake(
        "mnist-row-lstm", seed=8, **{name: SIZE[name] for name in ("height", "width")}
    )
    model = replace(model, guides=(Member(guide.network, "rotate_180"),))
    known, n, log_p = all_images()[0b110011010], 120, joint(model)
    done = by_particles(model, known, keep, n, seed=4, particles=8, sweeps=2)
    index = (done.values.view(n, -1) * 2 ** torch.arange(8, -1, -1)).sum(1)
    p = log_p.logsumexp(0).exp() * fitting(known, keep)
    found, most = chi_square(torch.bincount(index, minlength=512), n * p / p.sum())
    assert found < most
    assert done.receipt.label in range(3)


@pytest.mark.parametrize("hole", ["mostly above", "in the middle"])
def test_a_guide_that_suits_the_hole_no_better_changes_nothing(hole: str) -> None:
    """Where hardly less of what is given lies behind the hole than for the model, and the guide does not draw most of
    it after all that."""
    plain = awake("mnist-row-lstm", seed=6, height=3, width=3)
    keep, known = (
        torch.from_numpy(HOLES[hole]),
        torch.zeros((1, 3, 3), dtype=torch.int64),
    )
    one, other = (
        by_particles(model, known, keep, 20, 4, particles=8)
        for model in (plain, guided(plain, "rotate_180"))
    )
    assert torch.equal(one.values, other.values) == (hole == "in the middle")


@pytest.mark.parametrize("given", ["000000111", "001001111"])
def test_a_label_is_told_by_a_guide_s_draws(given: str) -> None:
    """Bayes' rule by enumeration: many draws come close, and say so."""
    model, keep = labelled(), torch.tensor([each == "1" for each in given]).view(3, 3)
    guide = awake(
        "mnist-row-lstm", seed=8, **{name: SIZE[name] for name in ("height", "width")}
    )
    model = replace(model, guides=(Member(guide.network, "rotate_180"),))
    image = all_images()[0b110011010]
    true = joint(model)[:, fitting(image, keep)].logsumexp(1)
    found = classify(model, image, keep, particles=256)
    np.testing.assert_allclose(found.p[0], true.softmax(0), atol=0.03)
    assert found.total_nats[0] == pytest.approx(-float(true.logsumexp(0)), abs=0.1)
    assert found.quality in ("good", "rough")
