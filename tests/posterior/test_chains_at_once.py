"""The two chains of an image, and the two estimates of labels, may be drawn at the same
time: no byte depends on it."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from model_core.models import Model
from model_core.posterior.classify import Classification, classify_steps
from model_core.posterior.island import ImpossibleError
from model_core.posterior.islands import IslandsRun, stepped
from model_core.posterior.particles import Stages, slots_of_sweeps
from model_core.posterior.targets import Target
from model_core.sampling.compiled.threaded import ThreadedStage
from model_core.sampling.compiled.threads import run_together
from tests.labelled_models import labelled
from tests.posterior.tiny import CENTRE, awake, mixture

H, W = CENTRE.shape
SIZE = {"height": H, "width": W}
MODELS: dict[str, Model] = {
    "rows": awake("mnist-row-lstm", **SIZE),
    "diagonals": awake("mnist-diagonal-bilstm", **SIZE),
    "categories": awake("mnist-pixelcnn", values=5, categories=True, **SIZE),
    "labels": labelled("mnist-row-lstm", **SIZE),
    "two members": mixture("none", "rotate_180", side=6),
}


@pytest.fixture(autouse=True)
def handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand over the steps of small networks, too, which are not worth it."""
    monkeypatch.setattr(ThreadedStage, "worth_s", 0.0)


def target_of(model: Model) -> Target:
    config = model.config
    shape = config.channels, config.height, config.width
    known = np.random.default_rng(3).integers(0, config.values, shape)
    keep = np.ones(shape[1:], np.bool_)
    keep[1:3, 1:4] = False
    keep[config.height - 2, 2] = False
    return Target.of(model, known, keep, 1.0)


def completed(model: Model, stages: Stages) -> list[Any]:
    """Draw two images of a job; return them, receipt, marginals, and what was expected of
    each pixel at the end."""
    run = IslandsRun(target_of(model), 5, 12, 2, stages)
    images, expected = [], []
    for i in range(2):
        images.append(run.draw(i))
        expected.append(run.expected_so_far())
    receipt, found = run.receipt()
    return [*images, found.mean, found.entropy_bits, *expected, receipt]


def expect_same(found: list[Any], expected: list[Any]) -> None:
    for its, right in zip(found, expected, strict=True):
        if isinstance(right, np.ndarray):
            np.testing.assert_array_equal(its, right)
        else:
            assert its == right


@pytest.mark.parametrize("name", MODELS)
def test_completions_have_the_bytes_of_chains_one_by_one(name: str) -> None:
    """Images, receipt, marginals, and the estimate that lookers-on see at the end."""
    expected = completed(MODELS[name], Stages(1))
    for threads, sweeps in [(2, 2), (3, 2), (5, 2), (2, 1)]:
        expect_same(completed(MODELS[name], Stages(threads, sweeps)), expected)


def test_labels_have_the_bytes_of_estimates_one_by_one() -> None:
    """Of a part of a picture, which takes particles."""
    model = MODELS["labels"]
    target = target_of(model)

    def classified(stages: Stages) -> Classification:
        steps = classify_steps(model, target.known, target.keep, 4, 8, stages)
        *others, found = steps
        shares = [share for share in others if isinstance(share, float)]
        assert shares == sorted(shares)
        assert isinstance(found, Classification)
        return found

    expected = classified(Stages(1))
    assert not expected.exact
    for threads in (2, 4):
        found = classified(Stages(threads))
        for field in ("p", "nats", "total_nats", "sd", "p_sd"):
            np.testing.assert_array_equal(
                getattr(found, field), getattr(expected, field)
            )
        assert found.quality == expected.quality


def test_an_image_that_is_given_up_leaves_its_particles_behind() -> None:
    """A job that is canceled in the midst of an image, while both chains draw; the next
    one on the same stages draws the right bytes."""
    model, stages = MODELS["rows"], Stages(2)
    expected = completed(model, Stages(1))
    for steps in (1, 4, 9):
        given_up = IslandsRun(target_of(model), 6, 12, 2, stages).steps(0)
        for _ in range(steps):
            next(given_up)
        del given_up
        expect_same(completed(model, stages), expected)


def test_steps_of_both_chains_are_taken_at_the_same_time() -> None:
    """They meet in each step; the longer one goes on alone."""
    meeting = threading.Barrier(2)

    def chain(count: int) -> Iterator[float]:
        for step in range(count):
            if step < 3:
                meeting.wait(60)
            yield step / count

    shares = list(stepped([chain(3), chain(5)], at_once=True))
    assert shares == [
        [0.0, 0.0],
        [1 / 3, 0.2],
        [2 / 3, 0.4],
        [None, 0.6],
        [None, 0.8],
    ]
    one_by_one = list(stepped([iter([0.5]), iter([0.5])], at_once=False))
    assert one_by_one == [[0.5, 0.0], [None, 0.5]]


@pytest.mark.parametrize("broken", [0, 1])
def test_what_a_chain_raises_is_raised_once_the_other_is_back(broken: int) -> None:
    """In the thread that asks or in another."""
    came_back: list[int] = []

    def chain(number: int) -> Iterator[float]:
        yield 0.0
        if number == broken:
            raise ImpossibleError("no particle has any weight")
        came_back.append(number)
        yield 0.5

    steps = stepped([chain(0), chain(1)], at_once=True)
    next(steps)
    with pytest.raises(ImpossibleError):
        next(steps)
    assert came_back == [1 - broken]


def test_a_call_may_hand_calls_to_further_threads() -> None:
    """Its thread, and those that are busy, are left alone."""

    def several() -> int:
        calls = [lambda: 1, lambda: 2, lambda: 4]
        return sum(made.result for made in run_together(calls[:1], calls[1:]))

    for _ in range(50):
        found = run_together([several], [several, several])
        assert [made.result for made in found] == [7, 7, 7]


def test_both_sweeps_have_slots_for_all_their_particles() -> None:
    """An odd thread has none."""
    assert slots_of_sweeps(42, 2) == [42, 42]
    assert slots_of_sweeps(42, 3) == [42, 42]
    assert slots_of_sweeps(42, 8) == [11] * 8
