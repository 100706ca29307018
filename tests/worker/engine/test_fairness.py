"""What a small job gets while a large one runs: real engines and a real worker, counted in steps and rows."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil

import pytest

from model_core import untrained
from model_core.image_request import ImageRequest
from model_core.sampling.engine import DrawnRow
from model_core.sampling.model_engine import Engine
from tests.fakes import Outlet
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


class CountingEngine(Engine):
    """Says after each step how many there have been."""

    def __init__(self, on_step: Callable[[int], None]) -> None:
        super().__init__(MODEL, SLOTS + EXPRESS)
        self._on_step = on_step
        self.steps = 0

    def step(self) -> list[DrawnRow]:
        self.steps += 1
        self._on_step(self.steps)
        return super().step()


class Steps(Outlet):
    """An outlet that notes at which step each job had its first row and its end."""

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        self.now = 0

    def publish(self, rows: Mapping[str, Sequence[NewRow]]) -> None:
        for token in rows:
            self.first.setdefault(token, self.now)

    def end(self, token: str, outcome: Outcome) -> None:
        assert outcome.status is JobStatus.SUCCEEDED
        self.ended[token] = self.now


def order(token: str, n: int, priority: Priority = Priority.BULK) -> DrawOrder:
    images = [PlannedImage(ImageRequest(seed=1, sample=i), skip=0) for i in range(n)]
    return DrawOrder(
        Claim(token, token, last_seq=0), "m", MODEL.config.values, images, priority
    )


@pytest.mark.parametrize("arrives_at", [1, 3, 8, 15, 24])
@pytest.mark.parametrize("n", [1, 64])
def test_first_row_comes_early_when_a_job_of_64_is_running(
    arrives_at: int, n: int
) -> None:
    """Whenever it comes, and however large it is: within a quarter of the steps that the running job takes."""
    steps = Steps()

    def on_step(count: int) -> None:
        steps.now = count
        if count == arrives_at:
            runner.submit(order("late", n))

    cohorts = {"m": Cohort(lambda: CountingEngine(on_step), EXPRESS)}
    runner = Runner(
        cohorts, steps, lambda _: Outcome(None), step_delay_s=FULL_TURN_S
    )  # a turn is one step
    runner.submit(order("large", 64))
    runner.start()
    wait_for(lambda: len(steps.ended) == 2, "both ends")
    runner.stop()
    runner.join(60)
    assert steps.first["late"] - arrives_at <= 0.25 * steps.ended["large"]
    assert 1 <= steps.first["late"] - arrives_at <= ceil(WIDTH / 4)


def test_first_row_comes_early_when_a_worker_draws_64_images(
    client: Client, start_worker: StartWorker
) -> None:
    """In the stream of a real worker, fewer than a quarter of the large job's rows come in between."""
    start_worker(step_delay_s=0.1)
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
        assert client.wait_end(spec.id).status is JobStatus.SUCCEEDED


def test_interactive_job_ends_first_when_both_wait(
    client: Client, start_worker: StartWorker
) -> None:
    """The same images, asked for later but as interactive ones, are done while the bulk job still has some to go."""
    bulk = client.submit(n=16, priority=Priority.BULK)
    interactive = client.submit(n=16, seed=8, priority=Priority.INTERACTIVE)
    start_worker(slots=2, express_slots=0, step_delay_s=0.01)
    for spec in (interactive, bulk):
        assert client.wait_end(spec.id).status is JobStatus.SUCCEEDED
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
