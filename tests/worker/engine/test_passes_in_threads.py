"""A turn of passes takes a picture for each thread, and every picture is passed by itself."""

import threading
from functools import partial

import numpy as np
import pytest
import torch

from model_core.models import Model
from model_core.sampling.compiled.threads import use_threads
from tests.fakes import FakeEngine, Outlet
from tests.model_core.drawn import threads
from tests.model_core.lively import lively
from worker.contract.jobs import JobSpec, JobStatus
from worker.engine.activities.activity import Surroundings
from worker.engine.activities.passes import SCORING, Passes, Score
from worker.engine.assessment import Pass, make_pass
from worker.engine.cohort import Cohort
from worker.engine.deadlines import Deadlines
from worker.engine.runner import Runner
from worker.engine.usage_reports import UsageReports
from worker.orders.claims import Claim, Outcome, StoredResult
from worker.orders.pictures import PictureOrder

MODELS = {
    name: lively(preset, torch.float32, values=256)
    for name, preset in (("a", "mnist-row-lstm"), ("b", "mnist-pixelcnn"))
}
PICTURES = 7
SUCCEEDED = Outcome(JobStatus.SUCCEEDED, result=StoredResult("{}"))


def order(number: int, model: str) -> PictureOrder:
    config = MODELS[model].config
    shape = config.channels, config.height, config.width
    spec = JobSpec(
        id=f"job-{number}",
        kind="score",
        model=model,
        digest="d",
        seed=0,
        n=1,
        temperature=1,
        height=config.height,
        width=config.width,
        channels=config.channels,
    )
    pixels = np.random.default_rng(number).integers(0, 256, shape, np.uint8)
    return PictureOrder(Claim(spec.id, str(number), last_seq=0), model, spec, pixels)


def ended(score: Score, models: list[str], outlet: Outlet, most: int = 64) -> list[int]:
    """Let pictures of these models be passed, at most so many at once; return how many
    ended in each turn."""
    around = Surroundings(
        outlet,
        Deadlines(),
        UsageReports(models, outlet.report_usage),
        lambda: None,
        models,
    )
    passes = Passes(around, score, lambda model: most)
    for number, model in enumerate(models):
        passes.accept(order(number, model))
    counts = []
    while passes.busy():
        before = len(outlet.ends)
        passes.turn(SCORING)
        counts.append(len(outlet.ends) - before)
    return counts


def real(task: Pass) -> Outcome:
    model: Model = MODELS[task.model]
    found = make_pass(task, model)
    assert isinstance(found, Outcome)
    return found


@pytest.mark.parametrize("count", [2, 3, 8])
def test_scores_have_the_bytes_of_one_thread(count: int) -> None:
    """Numbers and maps, whichever pictures are passed at the same time."""
    alone, together = Outlet(), Outlet()
    ended(real, ["a"] * PICTURES, alone)
    with threads(count):
        turns = ended(real, ["a"] * PICTURES, together)
    assert turns[0] == min(count, PICTURES)
    assert len(turns) == -(-PICTURES // count)
    assert together.ends == alone.ends


def test_pictures_of_one_model_are_passed_at_the_same_time() -> None:
    """They meet; a picture of another model waits for its own turn."""
    meeting = threading.Barrier(2)

    def score(task: Pass) -> Outcome:
        if task.model == "a":
            meeting.wait(60)
        return SUCCEEDED

    with threads(2):
        assert ended(score, ["a", "b", "a"], Outlet()) == [2, 1]


def test_a_picture_that_fails_ends_its_own_job_alone() -> None:
    """In the thread of the engine or in another."""

    def score(task: Pass) -> Outcome:
        if task.claim.token in ("0", "3"):
            raise FloatingPointError("the likelihood is not finite")
        return SUCCEEDED

    outlet = Outlet()
    with threads(2):
        ended(score, ["a"] * 4, outlet)
    statuses = {token: ends[0].status for token, ends in outlet.ends.items()}
    assert statuses == {
        "0": JobStatus.FAILED,
        "1": JobStatus.SUCCEEDED,
        "2": JobStatus.SUCCEEDED,
        "3": JobStatus.FAILED,
    }


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_waiting_picture_is_not_passed_once_its_job_is_canceled(count: int) -> None:
    """From the turn on that follows: those of the first turn are passed to the end, and
    the others in as many turns as there are without it."""
    passed, outlet = list[str](), Outlet()
    first_turn, canceled = count, str(count)

    def score(task: Pass) -> Outcome:
        passed.append(task.claim.token)
        if task.claim.token == "0":
            runner.withdraw(canceled)
        return SUCCEEDED

    runner = Runner(
        {"a": Cohort(FakeEngine)}, outlet, score, begin=partial(use_threads, count)
    )
    for number in range(PICTURES):
        runner.submit(order(number, "a"))
    runner.start()
    outlet.wait(lambda: len(outlet.ends) == PICTURES - 1)
    runner.stop()
    runner.join(60)
    assert set(passed[:first_turn]) == {str(number) for number in range(first_turn)}
    assert sorted(passed) == sorted(set(map(str, range(PICTURES))) - {canceled})


def test_no_more_pictures_are_passed_at_once_than_there_is_memory_for() -> None:
    """However many threads there are."""
    with threads(8):
        assert ended(lambda task: SUCCEEDED, ["a"] * 5, Outlet(), most=2) == [2, 2, 1]
