"""The engine thread, with a fake engine and a list for an outlet."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from model_core.image_request import ImageRequest
from tests.fakes import HEIGHT, VALUES, FakeEngine, FakeRow, Outlet, fake_row
from worker.contract.jobs import JobSpec, JobStatus
from worker.engine.assessment import Pass
from worker.engine.cohort import Cohort
from worker.engine.deadlines import OPENING_S, Deadlines
from worker.engine.inbox import Inbox
from worker.engine.model_pool import FullPoolError
from worker.engine.runner import FetchedModel, Runner
from worker.orders.claims import SUCCEEDED, Claim, Outcome, StoredResult
from worker.orders.drawing import DrawOrder
from worker.orders.images import PlannedImage
from worker.orders.order import Order
from worker.orders.pictures import PictureOrder
from worker.orders.several import SeveralOrder


def order(
    token: str, seed: int = 1, n: int = 1, model: str = "fake", skip: int = 0
) -> DrawOrder:
    images = [PlannedImage(ImageRequest(seed=seed, sample=i), skip) for i in range(n)]
    return DrawOrder(Claim(f"job-{token}", token, last_seq=0), model, VALUES, images)


SCORED = JobSpec(
    id="a",
    kind="score",
    model="fake",
    digest="d",
    seed=0,
    n=1,
    temperature=1,
    height=2,
    width=2,
    channels=1,
)


def score_order(token: str, value: int = 0) -> PictureOrder:
    return PictureOrder(
        Claim(f"job-{token}", token, last_seq=0),
        "fake",
        SCORED,
        np.full((1, 2, 2), value, np.uint8),
    )


def fake_score(order: PictureOrder) -> Outcome:
    if order.pixels.any():
        raise FloatingPointError("the likelihood is not finite")
    return Outcome(JobStatus.SUCCEEDED, result=StoredResult("{}"))


def image_bytes(seed: int, sample: int) -> bytes:
    return b"".join(fake_row(seed, sample, y) for y in range(HEIGHT))


def stopped(runner: Runner) -> None:
    """At once, also where it has nothing to do."""
    runner.stop()
    runner.join(60)
    assert not runner._thread.is_alive()


@pytest.fixture
def outlet() -> Outlet:
    return Outlet()


@pytest.fixture
def start(outlet: Outlet) -> Iterator[Callable[..., Runner]]:
    runners = []

    def start(
        engines: dict[str, Callable[[], FakeEngine]], step_delay_s: float = 0.0
    ) -> Runner:
        runner = Runner(
            {name: Cohort(new) for name, new in engines.items()},
            outlet,
            fake_score,
            step_delay_s,
        )
        runner.start()
        runners.append(runner)
        return runner

    yield start
    for runner in runners:
        stopped(runner)


def test_every_row_is_published_in_order_when_a_job_has_more_images_than_slots(
    start: Callable[..., Runner], outlet: Outlet
) -> None:
    """n = 7 in 3 slots: all images whole, then one end."""
    start({"fake": lambda: FakeEngine(3)}).submit(order("a", seed=5, n=7))
    outlet.wait(lambda: "a" in outlet.ends)
    assert outlet.ends["a"] == [SUCCEEDED]
    assert [outlet.pixels("a", i) for i in range(7)] == [
        image_bytes(5, i) for i in range(7)
    ]


def test_two_jobs_share_the_engine_when_both_are_submitted(
    start: Callable[..., Runner], outlet: Outlet
) -> None:
    """Images of several jobs are drawn in one batch."""
    engine = FakeEngine(4)
    runner = start({"fake": lambda: engine}, step_delay_s=0.01)
    runner.submit(order("a", seed=1, n=2))
    runner.submit(order("b", seed=2, n=2))
    outlet.wait(lambda: len(outlet.ends) == 2)
    assert engine.most_busy == 4
    assert outlet.pixels("b", 1) == image_bytes(2, 1)


def test_small_job_ends_first_when_a_large_one_came_before(
    start: Callable[..., Runner], outlet: Outlet
) -> None:
    """n = 64 does not starve n = 1."""
    runner = start({"fake": lambda: FakeEngine(2)}, step_delay_s=0.001)
    runner.submit(order("large", n=64))
    runner.submit(order("small"))
    outlet.wait(lambda: len(outlet.ends) == 2)
    assert outlet.order == ["small", "large"]


def test_each_image_has_the_time_of_opening_when_it_gets_its_slot(
    outlet: Outlet,
) -> None:
    """Choosing its label may take seconds, also in the middle of a turn whose steps take
    a millisecond; the steps after it have the deadline of a turn again."""
    said: list[float] = []

    class Choosing(FakeEngine):
        def admit(self, request: ImageRequest) -> int:
            at_admission.append(said[-1])
            return super().admit(request)

        def step(self) -> list[FakeRow]:
            at_steps.append(said[-1])
            return super().step()

    at_admission: list[float] = []
    at_steps: list[float] = []
    runner = Runner(
        {"fake": Cohort(lambda: Choosing(1))},
        outlet,
        fake_score,
        deadlines=Deadlines(said.append),
    )
    runner.submit(order("a", n=3))
    runner.start()
    outlet.wait(lambda: "a" in outlet.ends)
    stopped(runner)
    assert at_admission == 3 * [OPENING_S]
    assert OPENING_S not in at_steps


def test_models_take_turns_when_both_have_work(
    start: Callable[..., Runner], outlet: Outlet
) -> None:
    """A long job of one model does not hold up the other model."""
    runner = start(
        {"one": lambda: FakeEngine(1), "two": lambda: FakeEngine(1)}, step_delay_s=0.001
    )
    runner.submit(order("long", n=20, model="one"))
    runner.submit(order("short", model="two"))
    outlet.wait(lambda: len(outlet.ends) == 2)
    assert outlet.order == ["short", "long"]


def test_jobs_in_the_engine_fail_when_a_step_raises(
    start: Callable[..., Runner], outlet: Outlet
) -> None:
    """Each of them ends once, as failed; a job that waited is drawn by a fresh engine."""
    engines = iter([FakeEngine(1, fail_at_step=2), FakeEngine(1)])
    runner = start({"fake": lambda: next(engines)})
    runner.submit(order("a"))
    runner.submit(order("b", seed=3))
    outlet.wait(lambda: len(outlet.ends) == 2)
    (end,) = outlet.ends["a"]
    assert end.status is JobStatus.FAILED
    assert end.error is not None
    assert end.error.type == "drawing-failed"
    assert outlet.ends["b"] == [SUCCEEDED]
    assert outlet.pixels("b", 0) == image_bytes(3, 0)


def test_only_one_job_fails_when_the_engine_refuses_its_image(
    start: Callable[..., Runner], outlet: Outlet
) -> None:
    """A bad request is no reason to lose the others."""
    runner = start({"fake": lambda: FakeEngine(2)}, step_delay_s=0.001)
    runner.submit(order("good", n=3))
    runner.submit(order("bad", seed=666))
    outlet.wait(lambda: len(outlet.ends) == 2)
    assert outlet.ends["bad"][0].status is JobStatus.FAILED
    assert outlet.ends["good"] == [SUCCEEDED]


def test_withdraw_frees_the_slots_when_a_job_is_drawn(
    start: Callable[..., Runner], outlet: Outlet
) -> None:
    """Nothing of it is drawn any more, and the next job has its slots."""
    engine = FakeEngine(2)
    runner = start({"fake": lambda: engine}, step_delay_s=0.02)
    runner.submit(order("a", n=50))
    outlet.wait(lambda: bool(outlet.rows.get("a")))
    runner.withdraw("a")
    runner.submit(order("b"))
    outlet.wait(lambda: "b" in outlet.ends)
    assert "a" not in outlet.ends
    assert len(outlet.rows["a"]) < 50
    deadline = time.monotonic() + 5
    while engine.busy and time.monotonic() < deadline:
        time.sleep(0.01)
    assert engine.free == 2


def test_job_ends_at_once_when_all_its_rows_are_published_already(
    start: Callable[..., Runner], outlet: Outlet
) -> None:
    """A worker that died between the last row and the end leaves nothing to draw."""
    start({"fake": lambda: FakeEngine(1)}).submit(order("a", n=0))
    outlet.wait(lambda: "a" in outlet.ends)
    assert outlet.ends["a"] == [SUCCEEDED]
    assert "a" not in outlet.rows


def test_pictures_are_scored_when_images_are_drawn_too(
    start: Callable[..., Runner], outlet: Outlet
) -> None:
    """Many scores do not hold up a drawing: one is made between two steps."""
    engine = FakeEngine(1)
    runner = start({"fake": lambda: engine}, step_delay_s=0.005)
    runner.submit(order("drawn"))
    for i in range(40):
        runner.submit(score_order(f"s{i}"))
    outlet.wait(lambda: len(outlet.ends) == 41)
    assert outlet.pixels("drawn", 0) == image_bytes(1, 0)
    assert outlet.order.index("drawn") < 40
    assert [end.result for (end,) in outlet.ends.values()].count(
        StoredResult("{}")
    ) == 40


def test_one_score_fails_when_the_model_gives_nonsense(
    start: Callable[..., Runner], outlet: Outlet
) -> None:
    """It ends as failed, and the next one is made."""
    runner = start({"fake": lambda: FakeEngine(1)})
    runner.submit(score_order("bad", value=1))
    runner.submit(score_order("good"))
    outlet.wait(lambda: len(outlet.ends) == 2)
    (end,) = outlet.ends["bad"]
    assert end.error is not None
    assert end.error.type == "scoring-failed"
    assert outlet.ends["good"][0].status is JobStatus.SUCCEEDED


def numpy_error() -> Exception:
    try:
        np.empty(2**62, np.uint8)
    except MemoryError as error:
        return error
    raise AssertionError("there is no such memory")


LACKS = [
    MemoryError(),
    numpy_error(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError(
        "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."
    ),
    RuntimeError("could not create a primitive"),
    RuntimeError(
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"
    ),
]


@pytest.mark.parametrize(
    "error", LACKS, ids=lambda error: f"{type(error).__name__} {error}"[:40]
)
def test_no_job_fails_for_want_of_memory(error: Exception, outlet: Outlet) -> None:
    """Its claim is named instead, whatever kind of work met the lack; the others are drawn on."""

    def no_score(task: Pass) -> Outcome:
        raise error

    class NoStep(FakeEngine):
        def step(self) -> list[FakeRow]:
            raise error

    engines = iter([NoStep(2), FakeEngine(2)])
    runner = Runner({"fake": Cohort(lambda: next(engines))}, outlet, no_score)
    runner.start()
    runner.submit(score_order("score"))
    runner.submit(order("drawn", n=2))
    outlet.wait(lambda: len(outlet.out_of_memory) == 2)
    runner.submit(order("next"))
    outlet.wait(lambda: "next" in outlet.ends)
    stopped(runner)
    assert sorted(outlet.out_of_memory) == ["drawn", "score"]
    assert outlet.ends == {"next": [SUCCEEDED]}


CARD_ERRORS = [
    torch.AcceleratorError("CUDA error: unspecified launch failure"),
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError(
        "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"
    ),
    RuntimeError("No CUDA GPUs are available"),
]


@pytest.mark.parametrize("error", CARD_ERRORS, ids=lambda error: str(error)[:40])
def test_no_job_fails_when_the_card_does(error: Exception, outlet: Outlet) -> None:
    """After such an error every call fails: the failure is reported, whatever the kind
    of work, and no job ends."""

    def no_score(task: Pass) -> Outcome:
        raise error

    class NoStep(FakeEngine):
        def step(self) -> list[FakeRow]:
            raise error

    runner = Runner({"fake": Cohort(lambda: NoStep(2))}, outlet, no_score)
    runner.start()
    for number in range(20):
        runner.submit(order(f"job-{number}", n=2))
    runner.submit(score_order("score"))
    outlet.wait(lambda: len(outlet.gpu_failures) >= 2)
    stopped(runner)
    assert set(outlet.gpu_failures) == {str(error)}
    assert outlet.ends == {}
    assert outlet.out_of_memory == []


@pytest.mark.parametrize("error", [OSError("no disk"), CARD_ERRORS[0]], ids=repr)
def test_model_that_fails_to_load_at_a_second_try_ends_nothing(
    error: Exception, outlet: Outlet
) -> None:
    """The first try found no room. A GPU that fails is reported; otherwise drawing goes
    on."""
    tries: list[Exception] = [FullPoolError("full"), error]

    def bring(name: str, identity: str) -> FetchedModel | None:
        raise tries.pop(0)

    cohorts = {"fake": Cohort(lambda: FakeEngine(2))}
    inbox = Inbox()
    runner = Runner(cohorts, outlet, fake_score, inbox=inbox, bring=bring)
    runner.start()
    inbox.put("bring", "other", "0")
    outlet.wait(lambda: not tries)
    runner.submit(order("a"))
    outlet.wait(lambda: "a" in outlet.ends)
    assert outlet.ends["a"] == [SUCCEEDED]
    assert bool(outlet.gpu_failures) is not isinstance(error, OSError)
    stopped(runner)


def test_score_is_not_made_when_it_was_withdrawn(
    start: Callable[..., Runner], outlet: Outlet
) -> None:
    """A canceled one leaves no outcome of its own."""
    runner = start({"fake": lambda: FakeEngine(1)}, step_delay_s=0.05)
    runner.submit(score_order("first"))
    runner.submit(score_order("second"))
    runner.withdraw("second")
    runner.submit(score_order("third"))
    outlet.wait(lambda: "third" in outlet.ends)
    assert outlet.order == ["first", "third"]


def several(*parts: Order) -> SeveralOrder:
    """A job of several pictures, of which each has one image."""
    claims = [
        Claim("job-many", f"many#{i}", last_seq=0, part=i) for i in range(len(parts))
    ]
    each = [
        replace(part, claim=claim) for part, claim in zip(parts, claims, strict=True)
    ]
    return SeveralOrder(Claim("job-many", "many", last_seq=0), "fake", tuple(each), 1)


def test_pictures_of_a_job_end_it_once(
    start: Callable[..., Runner], outlet: Outlet
) -> None:
    """When the last is there: with what was said of each, in their order, and rows under the job's own numbers."""
    runner = start({"fake": lambda: FakeEngine(2)})
    runner.submit(several(order("a", seed=1), order("b", seed=2), order("c", seed=3)))
    outlet.wait(lambda: "many" in outlet.ends)
    assert outlet.ends.keys() == {"many"}
    assert outlet.ends["many"] == [
        Outcome(JobStatus.SUCCEEDED, result=StoredResult('{"pictures":[{},{},{}]}'))
    ]
    assert [outlet.pixels("many", i) for i in range(3)] == [
        image_bytes(i + 1, 0) for i in range(3)
    ]


def test_a_picture_that_fails_ends_its_job_alone(
    start: Callable[..., Runner], outlet: Outlet
) -> None:
    """Once; nothing more is done for the others of this job, and another job is not touched."""
    runner = start({"fake": lambda: FakeEngine(1)}, step_delay_s=0.01)
    runner.submit(
        several(
            score_order("a"),
            score_order("b", value=1),
            order("c", n=1),
            score_order("d", value=1),
        )
    )
    runner.submit(score_order("after"))
    outlet.wait(lambda: len(outlet.ends) == 2)
    runner.submit(order("last"))
    outlet.wait(lambda: len(outlet.ends) == 3)
    assert [len(ends) for ends in outlet.ends.values()] == [1, 1, 1]
    assert outlet.ends["many"][0].status is JobStatus.FAILED
    assert outlet.ends["after"][0].status is JobStatus.SUCCEEDED


def test_pictures_of_a_withdrawn_job_are_forgotten(
    start: Callable[..., Runner], outlet: Outlet
) -> None:
    """Those that are drawn, those that wait for a slot and those to be scored: nothing more is said of them."""
    engine = FakeEngine(2)
    runner = start({"fake": lambda: engine}, step_delay_s=0.01)
    runner.submit(several(order("a"), order("b"), order("c"), score_order("d")))
    outlet.wait(lambda: "many" in outlet.rows)
    runner.withdraw("many")
    runner.submit(order("last"))
    outlet.wait(lambda: "last" in outlet.ends)
    assert outlet.ends.keys() == {"last"}
    assert engine.free == 2
