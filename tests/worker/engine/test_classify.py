"""Classifications in the engine: Bayes' rule by enumeration, a step at a time."""

import itertools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model_core import Model, log_likelihood
from tests.tiny_models import tiny_labelled
from worker.contract.jobs import JobSpec
from worker.contract.kinds.classify import ClassifyOptions, ClassifySummary
from worker.engine.assessment import StartedJob, make_pass
from worker.orders.claims import Claim, Outcome
from worker.orders.pictures import PictureOrder

SIZE = 4, 3
PICTURE = np.array([[0, 1, 1], [1, 0, 1], [0, 0, 1], [1, 1, 0]], np.uint8)
ALL, NOTHING = np.ones(SIZE, bool), np.zeros(SIZE, bool)
ABOVE = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0], [0, 0, 0]], bool)
BELOW = np.array([[0, 0, 0], [0, 0, 1], [1, 1, 1], [1, 1, 1]], bool)
"""True = given."""


def model_of(members: int) -> Model:
    """In double precision, which plain torch draws: nothing is compiled."""
    one, other = tiny_labelled(), tiny_labelled(7, "flip_top_bottom")
    model = Model((one.members[0], other.members[0])[:members], one.card)
    for member in model.members:
        member.network.double()
    return model


def joint(model: Model, keep: NDArray[np.bool_]) -> dict[str, float]:
    """p(label, what is given) of every label, summed over all pictures that agree with what is given."""
    every = np.array([*itertools.product((0, 1), repeat=PICTURE.size)]).reshape(
        -1, 1, *SIZE
    )
    agree = torch.from_numpy(every[(every[:, 0] == PICTURE)[:, keep].all(1)])
    return {
        label.name: label.prior
        * float(log_likelihood(model, agree, label.name).exp().sum())
        for label in model.card.labels
    }


def classified(
    model: Model, keep: NDArray[np.bool_], behind: int
) -> tuple[list[float], ClassifySummary]:
    """How far it was after each pass, and the end."""
    options = ClassifyOptions(
        particles=64, components=3 * len(model.members), given_behind=behind
    )
    fields = {
        "id": "j",
        "kind": "classify",
        "model": "m",
        "digest": "0",
        "seed": 0,
        "n": 1,
        "temperature": 1.0,
    }
    job = JobSpec(**fields, height=SIZE[0], width=SIZE[1], channels=1, options=options)
    order = PictureOrder(
        Claim("j", "t", last_seq=0),
        "m",
        job,
        PICTURE[None] * 255,
        None if keep.all() else keep,
    )
    task, shares = make_pass(order, model), []
    assert isinstance(task, StartedJob)
    while not isinstance(found := make_pass(task, model), Outcome):
        assert isinstance(found, float)
        shares.append(found)
    assert found.result is not None
    return shares, ClassifySummary.model_validate_json(found.result.summary)


@pytest.mark.parametrize("members", [1, 2])
def test_classification_is_bayes_rule_by_enumeration(members: int) -> None:
    """Exactly, in one pass, of a whole picture, its first pixels, or nothing at all; by particles closely, in many
    steps."""
    model = model_of(members)
    for keep in (ALL, ABOVE, NOTHING, BELOW):
        is_exact = keep.all() or not keep.any() or (members == 1 and keep is ABOVE)
        shares, found = classified(model, keep, behind=int(not is_exact))
        true = joint(model, keep)
        total = sum(true.values())
        near = {"rel": 1e-6} if is_exact else {"abs": 0.1}
        assert {each.name: each.p for each in found.labels} == pytest.approx(
            {label: p / total for label, p in true.items()}, **near
        )
        assert found.nats == pytest.approx(
            -np.log(total), abs=1e-6 if is_exact else 0.5
        )
        assert [each.p for each in found.labels] == sorted(
            (each.p for each in found.labels), reverse=True
        )
        assert (found.exact, found.particles, found.quality == "exact") == (
            is_exact,
            0 if is_exact else 64,
            is_exact,
        )
        assert all(
            (each.sd is None) == (each.p_sd is None) == is_exact
            for each in found.labels
        )
        assert shares == sorted(shares)
        assert bool(shares) != is_exact
