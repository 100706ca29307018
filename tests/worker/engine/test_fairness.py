"""What a small job gets while a large one runs, or when that is canceled: real engines
and a real worker, drawing in one thread and in several, counted in steps and rows."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil

import pytest
import torch

from model_core import untrained
from model_core.image_request import ImageRequest
from model_core.sampling.compiled.threaded import ThreadedStage
from model_core.sampling.engine import DrawnRow, Engine
from tests.fakes import Outlet
from tests.model_core.lively import lively
from tests.worker.harness import Client, StartWorker, wait_for
from worker.contract import keys
from worker.contract.jobs import JobStatus, Priority
from worker.engine.activities.slots import FULL_TURN_S
from worker.engine.cohort import Cohort
from worker.engine.runner import Runner
from worker.orders.claims import Claim, Outcome
from worker.orders.drawing import DrawOrder
from worker.orders.images import NewRow, PlannedImage
from worker.settings import Settings

SLOTS, EXPRESS = 16, Settings.model_fields["express_slots"].default
HEIGHT, WIDTH = 8, 6
MODEL = untrained(
    "mnist-pixelcnn", seed=1, layers=1, hidden=2, head=2, height=HEIGHT, width=WIDTH
)
MODEL.network.double()  # drawn by plain code: a step is four pixels of every row begun, and nothing has to be compiled
COMPILED = lively(
    "mnist-pixelcnn", torch.float32, height=HEIGHT, width=WIDTH, channels=1, values=2
)
"""Drawn by compiled code, which alone uses several threads. A step ends when a row of
some image is complete: after one column of pixels at least."""


class CountingEngine(Engine):
    """Says after each step how many there have been. With one thread it draws by plain
    code."""

    def __init__(self, on_step: Callable[[int], None], threads: int = 1) -> None:
        model = MODEL if threads == 1 else COMPILED
        super().__init__(model, SLOTS + EXPRESS, threads=threads)
        self._on_step = on_step
        self.steps = 0

    def step(self) -> list[DrawnRow]:
        self.steps += 1
        self._on_step(self.steps)
        return super().step()


class Steps(Outlet):
    """An outlet that notes at which step each job had its first row, the first row of
    each image, its last row and its end."""

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[str, int] = {}
        self.begun: dict[str, dict[int, int]] = {}
        self.last: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        self.now = 0

    def publish(self, rows: Mapping[str, Sequence[NewRow]]) -> None:
        for token, new in rows.items():
            self.first.setdefault(token, self.now)
            self.last[token] = self.now
            for sample, *_ in new:
                self.begun.setdefault(token, {}).setdefault(sample, self.now)

    def end(self, token: str, outcome: Outcome) -> None:
        assert outcome.status is JobStatus.SUCCEEDED
        self.ended[token] = self.now


def order(token: str, n: int, priority: Priority = Priority.BULK) -> DrawOrder:
    images = [PlannedImage(ImageRequest(seed=1, sample=i), skip=0) for i in range(n)]
    return DrawOrder(
        Claim(token, token, last_seq=0), "m", MODEL.config.values, images, priority
    )


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand over the steps of small networks to other threads, too."""
    monkeypatch.setattr(ThreadedStage, "worth_s", 0.0)


def runner_of(engine: CountingEngine, steps: Steps) -> Runner:
    """Return a runner that draws with this engine, in turns of one step each, and has
    been given the job `large` of 64 images. It is not started."""
    cohorts = {"m": Cohort(lambda: engine, EXPRESS)}
    runner = Runner(cohorts, steps, lambda _: Outcome(None), step_delay_s=FULL_TURN_S)
    runner.submit(order("large", 64))
    return runner


@pytest.mark.parametrize(
    ("threads", "arrives_at"),
    [(1, 1), (1, 3), (1, 8), (1, 15), (1, 24), (2, 3), (2, 15), (4, 3), (4, 15)],
)
@pytest.mark.parametrize("n", [1, 64])
@pytest.mark.usefixtures("handed_over")
def test_first_row_comes_early_when_a_job_of_64_is_running(
    threads: int, arrives_at: int, n: int
) -> None:
    """Whenever it comes, and however large it is: within a quarter of the steps that the running job takes."""
    steps = Steps()

    def on_step(count: int) -> None:
        steps.now = count
        if count == arrives_at:
            runner.submit(order("late", n))

    runner = runner_of(CountingEngine(on_step, threads), steps)
    runner.start()
    wait_for(lambda: len(steps.ended) == 2, "both ends")
    runner.stop()
    runner.join(60)
    pixels_of_a_step = 4 if threads == 1 else 1
    assert steps.first["late"] - arrives_at <= 0.25 * steps.ended["large"]
    assert 1 <= steps.first["late"] - arrives_at <= ceil(WIDTH / pixels_of_a_step)


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("canceled_at", [1, 8])
@pytest.mark.usefixtures("handed_over")
def test_a_canceled_job_is_drawn_to_the_end_of_a_step_and_no_further(
    threads: int, canceled_at: int
) -> None:
    """In all threads: the next step is one of the job that waited, in all slots that
    are not for first images alone."""
    steps, loads = Steps(), dict[int, int]()

    def on_step(count: int) -> None:
        steps.now = count
        loads[count] = engine.load
        if count == canceled_at:
            runner.withdraw("large")
            runner.submit(order("next", SLOTS))

    engine = CountingEngine(on_step, threads)
    runner = runner_of(engine, steps)
    runner.start()
    wait_for(lambda: "next" in steps.ended, "the end of the next job")
    runner.stop()
    runner.join(60)
    assert "large" not in steps.ended
    assert steps.last["large"] <= canceled_at
    assert steps.begun["next"] == dict.fromkeys(range(SLOTS), canceled_at + 1)
    assert loads[canceled_at + 1] == ceil(SLOTS / threads)
    assert engine.busy == 0


@pytest.mark.parametrize("threads", [1, 4])
def test_first_row_comes_early_when_a_worker_draws_64_images(
    client: Client, start_worker: StartWorker, threads: int
) -> None:
    """In the stream of a real worker, fewer than a quarter of the large job's rows come in between."""
    start_worker(slots=SLOTS, draw_threads=threads, step_delay_s=0.1)
    large = client.submit(n=64)
    client.wait_rows(large.id, 64)
    before = client.record(large.id).rows_done
    small = client.submit(seed=8)
    wait_for(
        lambda: client.record(small.id).rows_done, "the first row of the small job"
    )
    between = client.record(large.id).rows_done - before
    assert between < large.rows_total / 4
    assert client.record(large.id).status is JobStatus.RUNNING
    for spec in (small, large):
        client.succeeded(spec)


def test_interactive_job_ends_first_when_both_wait(
    client: Client, start_worker: StartWorker
) -> None:
    """The same images, asked for later but as interactive ones, are done while the bulk job still has some to go."""
    bulk = client.submit(n=16, priority=Priority.BULK)
    interactive = client.submit(n=16, seed=8, priority=Priority.INTERACTIVE)
    start_worker(slots=2, express_slots=0, step_delay_s=0.01)
    for spec in (interactive, bulk):
        client.succeeded(spec)
    first, second = (
        client.redis.hget(keys.job(spec.id), "finished_at")
        for spec in (interactive, bulk)
    )
    assert float(first) < float(second)


def test_priority_is_by_size_when_no_priority_is_asked_for(client: Client) -> None:
    """Few images: somebody waits for them. What is asked for counts more."""
    assert client.spec(n=1).effective_priority is Priority.INTERACTIVE
    assert client.spec(kind="complete", n=4).effective_priority is Priority.INTERACTIVE
    assert client.spec(n=5).effective_priority is Priority.BULK
    assert client.spec(n=1, priority=Priority.BULK).effective_priority is Priority.BULK
