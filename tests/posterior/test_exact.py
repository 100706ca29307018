"""Exact completions by a mixture whose members all draw the hole last."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from model_core import complete
from model_core.models import Member, Model
from model_core.posterior.completion import Completion
from model_core.posterior.exact import ExactRun, is_drawn_last
from model_core.posterior.targets import Target
from tests.labelled_models import labelled
from tests.posterior.tiny import awake, chi_square_excess, mask, mixture, truth

LOWER = mask("#### .... .... ....")
PICTURE = np.array([[[1, 0, 1, 1], [0] * 4, [1] * 4, [0] * 4]])


def mirrored() -> Model:
    """A mixture of two networks, one of which sees images mirrored, that disagree on the
    given row."""
    return mixture("none", "flip_left_right", side=4, scale=2)


def complete_lower(model: Model, n: int, seed: int, **options: Any) -> Completion:
    """Complete all but the first row of PICTURE."""
    known = torch.from_numpy(PICTURE)
    return complete(model, known, torch.from_numpy(LOWER), n, seed, **options)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_draws_and_evidence_are_those_of_the_mixture(temperature: float) -> None:
    """Against an enumeration of all 4,096 fillings; the expected pixels, which come from
    eight draws, are near."""
    model = mirrored()
    true = truth(model, PICTURE, LOWER, temperature)
    done = complete_lower(model, 600, 3, temperature=temperature)
    assert done.exact
    assert done.receipt.quality == "exact"
    assert done.receipt.particles == 0
    assert done.receipt.evidence_nats == pytest.approx(true.nats, abs=1e-4)
    assert chi_square_excess(done.values.numpy(), true) < 4

    keys = {each.tobytes(): i for i, each in enumerate(true.outcomes)}
    drawn = [keys[each.tobytes()] for each in done.values.numpy()]
    nats = true.nats - np.log(true.p[drawn])
    assert done.receipt.nats == pytest.approx(nats.tolist(), abs=1e-4)
    assert done.mean is not None
    mean = (true.p[:, None, None] * true.outcomes[:, 0]).sum(0)
    assert np.abs(done.mean[0].numpy() - mean).max() < 0.25


def test_members_draw_in_proportion_to_what_they_say_of_the_given_pixels() -> None:
    """p(k | given), not the even prior."""
    model = mirrored()
    target = Target.of(model, PICTURE, LOWER, 1.0)
    run = ExactRun(target, seed=9, particles=8)
    members = []
    for i in range(400):
        run.draw(i)
        members.append(run.receipt()[0].member)
    before = [
        np.exp(-truth(Model((each,), model.card), PICTURE, LOWER, 1.0).nats)
        for each in model.members
    ]
    share = before[0] / sum(before)
    assert abs(share - 0.5) > 0.05, "the members disagree"
    found = members.count("none") / len(members)
    assert found == pytest.approx(share, abs=4 * (share * (1 - share) / 400) ** 0.5)


def test_an_image_is_the_same_whatever_is_drawn_beside_it() -> None:
    """Of any number of images, particles and sweeps, and from `first` on."""
    model = mirrored()
    five = complete_lower(model, 5, 3)
    other = complete_lower(model, 2, 3, first=3, particles=70, sweeps=0)
    assert torch.equal(five.values[3:], other.values)
    assert five.receipt.nats is not None
    assert five.receipt.nats[3:] == other.receipt.nats
    assert five.mean is not None
    assert other.mean is not None
    assert torch.equal(five.mean, other.mean)
    none = complete_lower(model, 0, 3)
    assert none.exact
    assert none.mean is not None
    assert torch.equal(none.mean, five.mean)


@pytest.mark.parametrize("label", [None, "b"])
def test_labels_are_drawn_given_the_pixels(label: str | None) -> None:
    """A mixture of labelled networks, with a label and without."""
    models = [labelled(seed=seed, height=4, width=4) for seed in (1, 2)]
    members = [
        Member(model.network, orientation)
        for model, orientation in zip(models, ("none", "flip_left_right"), strict=True)
    ]
    model = Model(tuple(members), models[0].card)
    done = complete_lower(model, 500, 4, label=label)
    known = torch.from_numpy(PICTURE)
    by_chains = complete(
        model,
        known,
        torch.from_numpy(LOWER),
        1,
        4,
        label=label,
        particles=256,
        most_scores=0,
    )
    assert done.exact
    assert not by_chains.exact
    assert done.receipt.evidence_nats == pytest.approx(
        by_chains.receipt.evidence_nats, abs=0.3
    )
    given = model.given(label)
    p = Target.of(given, PICTURE, LOWER, 1.0)
    assert done.receipt.label in {each.label for each in p.components}


def test_other_holes_and_earlier_jobs_are_drawn_as_before() -> None:
    """A hole that begins within a row has given pixels behind it for the mirrored member,
    and `most_scores` is 0 for jobs of earlier versions."""
    model = mirrored()
    known = torch.from_numpy(PICTURE)
    within = torch.from_numpy(mask("#### ##.. .... ...."))
    assert not complete(model, known, within, 1, 1, most_scores=256).exact
    assert not complete_lower(model, 1, 1, most_scores=0).exact
    nothing = torch.zeros(4, 4, dtype=torch.bool)
    assert complete(model, known, nothing, 1, 1).exact
    last = partial(Target.of, model, PICTURE, temperature=1.0)
    assert is_drawn_last(last(keep=LOWER))
    assert not is_drawn_last(last(keep=LOWER[::-1].copy()))
    assert not is_drawn_last(last(keep=within.numpy()))


def test_colours_and_categories_are_completed_exactly() -> None:
    """Of networks whose values have no order, and of three colours."""
    for options in (
        {"values": 5, "categories": True},
        {"values": 4, "channels": 3},
    ):
        models = [
            awake("mnist-pixelcnn", seed, height=4, width=3, **options)
            for seed in (1, 2)
        ]
        members = [
            Member(each.network, orientation)
            for each, orientation in zip(
                models, ("flip_top_bottom", "rotate_180"), strict=True
            )
        ]
        model = Model(tuple(members), models[0].card)
        keep = torch.from_numpy(mask("... ... ### ###"))
        channels = model.config.channels
        known = torch.randint(
            0, 4, (channels, 4, 3), generator=torch.Generator().manual_seed(1)
        )
        done = complete(model, known, keep, 3, seed=2)
        assert done.exact
        assert (done.values[:, :, keep] == known[:, keep]).all()
        assert done.receipt.nats is not None
        assert done.receipt.evidence_nats is not None
        assert min(done.receipt.nats) > done.receipt.evidence_nats
