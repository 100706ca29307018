"""Images by particles in the engine's thread: turns with everything else, whole images, honest ends."""

import base64
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model_core import Model, untrained
from model_core.image_request import ImageRequest
from model_core.posterior.island import ImpossibleError
from model_core.posterior.islands import IslandsRun
from model_core.posterior.marginals import Marginals
from model_core.posterior.receipt import Receipt
from model_core.posterior.targets import Target
from model_core.sampling.compiled.threaded import ThreadedStage
from model_core.sampling.compiled.threads import use_threads
from model_core.sampling.engine import Engine
from tests.fakes import Outlet
from tests.model_core.lively import lively
from tests.worker.harness import wait_for
from worker.contract.events import RowDrawn
from worker.contract.jobs import JobStatus, Priority
from worker.engine.activities.activity import Surroundings
from worker.engine.activities.particles import ESTIMATE_EVERY_S, ByParticles
from worker.engine.assessment import Assessment, Findings, assessment_outcome
from worker.engine.cohort import Cohort
from worker.engine.deadlines import Deadlines
from worker.engine.runner import Runner
from worker.engine.usage_reports import UsageReports
from worker.orders.claims import Claim, Outcome
from worker.orders.completion import ParticleOrder
from worker.orders.drawing import DrawOrder, Hole
from worker.orders.images import GivenImage, NewRow, PlannedImage
from worker.orders.pictures import PictureOrder

HEIGHT, WIDTH = 8, 6
MODEL = untrained(
    "mnist-pixelcnn", seed=1, layers=1, hidden=2, head=2, height=HEIGHT, width=WIDTH
)
MODEL.network.double()  # drawn by plain code: nothing has to be compiled
COMPILED = lively(
    "mnist-pixelcnn", torch.float32, height=HEIGHT, width=WIDTH, channels=1, values=2
)
"""Drawn by compiled code, which alone uses several threads."""
KEEP = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 5 != 1
HOLE = Hole(GivenImage(np.ones((1, HEIGHT, WIDTH), np.int64), KEEP), 1.0, 3)


class Heard(Outlet):
    """Notes at which step of an island a job's first rows came, and which came together."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.first: dict[str, int] = {}
        self.images: dict[str, list[list[RowDrawn]]] = {}

    def publish(self, rows: Mapping[str, Sequence[NewRow]]) -> None:
        for token in rows:
            self.first.setdefault(token, self.steps)
            before = len(self.rows.get(token, ()))
            super().publish({token: rows[token]})
            self.images.setdefault(token, []).append(self.rows[token][before:])


def order(token: str, *published: int, particles: int = 8) -> ParticleOrder:
    claim = Claim(token, token, last_seq=0)
    return ParticleOrder(
        claim, "m", 2, HOLE, particles=particles, sweeps=0, published=published
    )


class CountedRun(IslandsRun):
    """Counts the steps of all runs, and does something at one of them."""

    def __init__(
        self,
        asked: ParticleOrder,
        heard: Heard,
        at: Mapping[int, Callable[[], None]],
        model: Model = MODEL,
    ) -> None:
        given = asked.hole.given
        assert given.values is not None
        assert given.keep is not None
        super().__init__(
            Target.of(model, given.values, given.keep, 1.0),
            asked.hole.seed,
            asked.particles,
            asked.sweeps,
        )
        self._heard = heard
        self._at = at

    def steps(self, i: int) -> Iterator[float | NDArray[np.int64]]:
        for step in super().steps(i):
            self._heard.steps += 1
            self._at.get(self._heard.steps, lambda: None)()
            yield step


def drawn_pixels(heard: Heard, token: str) -> bytes:
    """The pixels of a job of one image."""
    (rows,) = heard.images[token]
    return b"".join(row.pixel_bytes() for row in rows)


def by_particles(
    heard: Heard, clock: Callable[[], float] = time.monotonic
) -> ByParticles:
    """Without a thread, and its images wanted by nobody."""
    around = Surroundings(
        heard, Deadlines(), UsageReports(["m"], heard.report_usage), lambda: None, ["m"]
    )
    return ByParticles(
        around, lambda _: None, lambda asked: CountedRun(asked, heard, {}), clock=clock
    )


def score(task: PictureOrder | Assessment) -> Outcome | None:
    assert isinstance(task, Assessment)
    return assessment_outcome(task)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def start(heard: Heard) -> Iterator[Callable[..., Runner]]:
    runners: list[Runner] = []

    def start(
        new_run: Callable[[ParticleOrder], IslandsRun], *orders: ParticleOrder
    ) -> Runner:
        runner = Runner(
            {"m": Cohort(lambda: Engine(MODEL, 4))}, heard, score, islands=new_run
        )
        for each in orders:
            runner.submit(each)
        runner.start()
        runners.append(runner)
        return runner

    yield start
    for runner in runners:
        runner.stop()
        runner.join(60)


@pytest.mark.parametrize("arrives_at", [1, 20, 45])
def test_first_row_of_a_sample_comes_early_when_islands_are_drawn(
    start: Callable[..., Runner], heard: Heard, arrives_at: int
) -> None:
    """Within a quarter of the steps that the islands take, whenever it comes; and their job ends all the same."""
    sample = DrawOrder(
        Claim("late", "late", 0),
        "m",
        2,
        [PlannedImage(ImageRequest(seed=1, sample=0), skip=0)],
    )
    orders: list[Runner] = []
    at = {arrives_at: lambda: orders[0].submit(sample)}
    large = order("large", *[0] * 12)
    orders.append(start(lambda asked: CountedRun(asked, heard, at), large))
    wait_for(lambda: len(heard.ends) == 2, "both ends")
    assert heard.first["late"] - arrives_at <= 0.25 * heard.steps
    assert heard.steps > 100
    assert [end.status for (end,) in heard.ends.values()] == [JobStatus.SUCCEEDED] * 2


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_islands_end_with_the_step_in_which_their_job_is_canceled(
    heard: Heard, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where both chains of an image are drawn at the same time: the next step is one
    of the job that waited, which has the bytes that it has alone."""
    monkeypatch.setattr(ThreadedStage, "worth_s", 0.0)
    waiting, canceled_at = order("small", 0), 20
    turns: list[str] = []

    def new_run(asked: ParticleOrder) -> CountedRun:
        turns.append(f"{asked.claim.token} from step {heard.steps + 1}")
        return CountedRun(asked, heard, at, COMPILED)

    runner = Runner(
        {"m": Cohort(lambda: Engine(COMPILED, 4))},
        heard,
        score,
        islands=new_run,
        begin=partial(use_threads, threads),
    )

    def cancel() -> None:
        runner.withdraw("large")
        runner.submit(waiting)

    at = {canceled_at: cancel}
    runner.submit(order("large", *[0] * 40))
    runner.start()
    wait_for(lambda: "small" in heard.ends, "the end of the small job")
    runner.stop()
    runner.join(60)
    assert turns == ["large from step 1", f"small from step {canceled_at + 1}"]
    assert heard.ends.keys() == {"small"}
    alone = CountedRun(waiting, Heard(), {}, COMPILED).draw(0)
    assert drawn_pixels(heard, "small") == (255 * alone[0]).astype(np.uint8).tobytes()


def test_jobs_take_turns_image_by_image_when_both_are_drawn_by_particles(
    start: Callable[..., Runner], heard: Heard
) -> None:
    """One image does not wait behind forty, and has the bytes that it has alone."""
    start(
        lambda asked: CountedRun(asked, heard, {}),
        order("large", *[0] * 40),
        order("small", 0),
    )
    wait_for(lambda: "small" in heard.ends, "the small job")
    assert len(heard.images.get("large", [])) < 5
    alone = CountedRun(order("small", 0), Heard(), {}).draw(0)
    (rows,) = heard.images["small"]
    assert [(row.sample, row.y) for row in rows] == [(0, y) for y in range(HEIGHT)]
    assert drawn_pixels(heard, "small") == (255 * alone[0]).astype(np.uint8).tobytes()


def test_published_images_are_not_published_again_when_a_job_is_resumed(
    start: Callable[..., Runner], heard: Heard
) -> None:
    """All islands are drawn, so that receipt and maps are the same; an image of which some rows are out gets the
    others. Progress rises to the end."""
    start(
        lambda asked: CountedRun(asked, heard, {}),
        order("again", HEIGHT, 3, 0),
        order("first", 0, 0, 0),
    )
    wait_for(lambda: len(heard.ends) == 2, "both ends")
    assert [
        [(row.sample, row.y) for row in rows] for rows in heard.images["again"]
    ] == [
        [(1, y) for y in range(3, HEIGHT)],
        [(2, y) for y in range(HEIGHT)],
    ]
    assert heard.ends["again"] == heard.ends["first"]
    shares = heard.shares["again"]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) > 3 * 5


class Impossible:
    """What the model finds impossible."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def steps(self, i: int) -> Iterator[float]:
        yield 0.1
        raise self._error

    def expected_so_far(self) -> NDArray[np.float64] | None:
        return None

    def receipt(self) -> Findings:
        return Receipt(False, "none"), Marginals(
            np.zeros((1, 1, 1)), np.zeros((1, 1, 1))
        )


def test_estimates_come_five_times_a_second_at_most_and_at_once(heard: Heard) -> None:
    """A step takes 10 ms here: the first estimate comes with the first draws, later ones when it is time and there is
    news. Every byte is the run's own, to the nearest 255th."""
    now, told = [100.0], []
    drawn = by_particles(heard, clock=lambda: now[0])
    drawn.accept(replace(order("told", *[0] * 4), sweeps=2))
    while names := drawn.busy():
        drawn.turn(names[0])
        now[0] += 0.01
        for estimate in heard.estimates.pop("told", []):
            said = json.loads(estimate)
            told.append((now[0], said["sample"], said["share"]))
            pixels = np.frombuffer(base64.b64decode(said["mean"]), np.uint8).reshape(
                HEIGHT, WIDTH
            )
            np.testing.assert_array_equal(pixels[KEEP], 255)
    times, samples, shares = zip(*told, strict=True)
    assert len(times) > 3
    assert (
        min(after - before for before, after in itertools.pairwise(times))
        >= ESTIMATE_EVERY_S
    )
    assert list(shares) == sorted(shares)
    assert list(samples) == sorted(samples)
    assert samples[0] == 0
    assert shares[0] < 1 / 4


def test_estimate_is_told_in_bytes(start: Callable[..., Runner], heard: Heard) -> None:
    """Row by row, colour by colour, as rows are; none once the job has ended."""
    mean = np.arange(2 * HEIGHT * WIDTH).reshape(2, HEIGHT, WIDTH) / (
        2 * HEIGHT * WIDTH
    )

    class Sure(Impossible):
        def steps(self, i: int) -> Iterator[float | NDArray[np.int64]]:
            yield 0.25
            yield np.ones((2, HEIGHT, WIDTH), np.int64)

        def expected_so_far(self) -> NDArray[np.float64] | None:
            return mean

    start(lambda asked: Sure(ValueError()), order("sure", 0))
    wait_for(lambda: "sure" in heard.ends, "the end")
    (estimate,) = heard.estimates["sure"]
    told = json.loads(estimate)
    assert (told["sample"], told["share"]) == (0, 0.25)
    pixels = np.frombuffer(base64.b64decode(told["mean"]), np.uint8).reshape(
        HEIGHT, WIDTH, 2
    )
    np.testing.assert_array_equal(pixels, np.rint(255 * mean).transpose(1, 2, 0))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ImpossibleError("the model finds it so"), "impossible-picture"),
        (FloatingPointError("NaN"), "drawing-failed"),
    ],
)
def test_one_job_fails_when_it_cannot_be_drawn(
    start: Callable[..., Runner], heard: Heard, error: Exception, kind: str
) -> None:
    """In words; the others go on, withdrawn ones are gone."""
    runs = {"bad": Impossible(error)}
    runner = start(
        lambda asked: runs.get(asked.claim.token) or CountedRun(asked, heard, {}),
        order("bad", 0),
        order("good", *[0] * 3),
        order("unwanted", *[0] * 99),
    )
    runner.withdraw("unwanted")
    wait_for(lambda: len(heard.ends) == 2, "both ends")
    failure = heard.ends["bad"][0].error
    assert failure is not None
    assert failure.type == kind
    assert str(error) in failure.detail
    assert heard.ends["good"][0].status is JobStatus.SUCCEEDED
    assert "unwanted" not in heard.ends


def test_priority_counts_when_islands_wait(
    start: Callable[..., Runner], heard: Heard
) -> None:
    """Four interactive images for each bulk one."""
    drawn = by_particles(heard)
    for token, priority in (("bulk", Priority.BULK), ("asked", Priority.INTERACTIVE)):
        drawn.accept(
            ParticleOrder(
                Claim(token, token, 0), "m", 2, HOLE, 2, 0, (0,) * 8, priority
            )
        )
    while sum(map(len, heard.images.values())) < 8:
        drawn.turn(*drawn.busy())
    assert len(heard.images["asked"]) >= 6
