"""Images that are drawn by particles: for each model one island at a time, and in each
turn one row of all its particles.

An island is the set of particles behind one returned image. The islands of several jobs
take turns image by image, by the scheduler's rules.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from model_core.posterior.island import ImpossibleError
from model_core.sampling.compiled.threads import threads_in_use
from worker.contract.events import estimate_entry
from worker.engine.activities.activity import Surroundings, publish_image
from worker.engine.assessment import Assessment, Findings
from worker.engine.scheduler import Scheduler
from worker.orders.claims import failed
from worker.orders.completion import ParticleOrder
from worker.orders.faults import drawing_failed, impossible_picture

PARTICLES_OF = "particles of "
"""Prefix of the names under which this activity has work; the model's name follows."""
SHARE_STEP = 0.01
"""Progress of a job is reported if it has grown by this much since the last report, 0
to 1."""
ESTIMATE_EVERY_S = 0.2
"""Seconds between two estimates of a job, at least."""


class Run(Protocol):
    """The methods of model_core.posterior's IslandsRun, EnumeratedRun and ExactRun that
    are used here."""

    def steps(self, i: int, /) -> Iterator[float | NDArray[np.int64]]:
        """Yield the progress of image i after each step, and at last the image."""
        ...

    def expected_so_far(self) -> NDArray[np.float64] | None:
        """Return the expected value (C, H, W) of each variable, of categories the
        likeliest one; None if it is not known or has not changed since the last call.
        """
        ...

    def receipt(self) -> Findings:
        """Return receipt and maps of all images, which must be drawn."""
        ...


NewRun = Callable[[ParticleOrder], Run]
"""Begins the run of a job."""


@dataclass
class _Job:
    order: ParticleOrder
    run: Run | None = None
    """The run, from its first island on."""
    images: list[NDArray[np.int64]] = field(default_factory=list)
    reported: float = 0.0
    estimated_at: float = -ESTIMATE_EVERY_S


@dataclass(frozen=True)
class _Island:
    token: str
    steps: Iterator[float | NDArray[np.int64]]


class ByParticles:
    """The Activity (activity.py) of drawing images by particles."""

    orders: ClassVar[tuple[type, ...]] = (ParticleOrder,)

    def __init__(
        self,
        around: Surroundings,
        assess: Callable[[Assessment], None],
        new_run: NewRun | None = None,
        free: Callable[[str], None] = lambda model: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """assess: called with the images of a job when all are drawn.
        new_run: begins the drawing of a job. Several jobs of a model may have begun,
            but one of them is drawn at a time.
        free(model): frees the memory of a model's particles.
        clock: returns the time in seconds."""
        self._around = around
        self._assess = assess
        self._new_run = new_run
        self._free = free
        self._clock = clock
        self._scheduler: Scheduler[int] = Scheduler()
        self._jobs: dict[str, _Job] = {}
        self._seated: dict[str, _Island] = {}

    def busy(self) -> list[str]:
        """ "particles of MODEL" for each model with a job."""
        return sorted({PARTICLES_OF + job.order.model for job in self._jobs.values()})

    def accept(self, order: ParticleOrder) -> None:
        """Queue the images of an order."""
        token = order.claim.token
        self._jobs[token] = _Job(order)
        self._scheduler.add(
            token, order.model, range(order.images), order.priority, order.claim.owner
        )

    def orders_under(self, name: str) -> list[ParticleOrder]:
        """The orders of the model in `name`, one of the names that `busy` returns."""
        return [
            job.order
            for job in self._jobs.values()
            if PARTICLES_OF + job.order.model == name
        ]

    def models(self) -> set[str]:
        """Names of the models that its jobs need."""
        return {job.order.model for job in self._jobs.values()}

    def forget(self, token: str) -> None:
        """Drop the job of this claim, and free its particles."""
        job = self._jobs.pop(token, None)
        if job is None:
            return
        self._scheduler.drop(token)
        seated = self._seated.get(job.order.model)
        if seated is not None and seated.token == token:
            del self._seated[job.order.model]

    def free_if_idle(self, model: str) -> None:
        """Free the memory of a model's particles if it has no work here."""
        if not self.orders_under(PARTICLES_OF + model):
            self._free(model)

    def turn(self, name: str) -> None:
        """Draw at most one row of each particle of one image."""
        model = name.removeprefix(PARTICLES_OF)
        self._step(name, model)
        if model not in self._around.served:
            self.free_if_idle(model)

    def _step(self, name: str, model: str) -> None:
        began = time.perf_counter()
        island = self._island(model)
        job = self._jobs[island.token]
        # Sixteen particles take sixteen threads as long as one.
        size = -(-job.order.particles // threads_in_use())
        self._around.deadlines.begin(name, size, job.order.claim.deaths)
        try:
            done = next(island.steps)
            image = done if isinstance(done, np.ndarray) else None
            expected = self._expected(job) if image is None else None
            found = None if image is None else self._found(job)
        except Exception as error:
            # Any error ends this job, and not the process with all others.
            self.forget(island.token)
            self._failed(job.order, error)
            return
        rows = 0 if image is None else image.shape[1]
        self._around.usage[model].step(
            time.perf_counter() - began, 1, rows, left=int(image is not None)
        )
        self._around.pause()
        if image is not None:
            self._hand_on(job, image, found)
        elif isinstance(done, float):
            self._report(job, done, expected)

    def _island(self, model: str) -> _Island:
        if model not in self._seated:
            found = self._scheduler.next_image(model)
            assert found is not None, "a model without work has no turn"
            token, sample = found
            self._seated[model] = _Island(token, self._drawn(self._jobs[token], sample))
        return self._seated[model]

    def _drawn(self, job: _Job, sample: int) -> Iterator[float | NDArray[np.int64]]:
        if job.run is None:
            assert self._new_run is not None, "nothing here draws by particles"
            job.run = self._new_run(job.order)
        yield from job.run.steps(job.order.hole.first + sample)

    def _expected(self, job: _Job) -> NDArray[np.float64] | None:
        now = self._clock()
        if job.run is None or now < job.estimated_at + ESTIMATE_EVERY_S:
            return None
        expected = job.run.expected_so_far()
        if expected is not None:
            job.estimated_at = now
        return expected

    def _report(
        self, job: _Job, done: float, expected: NDArray[np.float64] | None
    ) -> None:
        order = job.order
        share = (len(job.images) + done) / order.images
        if share < job.reported + SHARE_STEP and expected is None:
            return
        job.reported = max(job.reported, share)
        estimate = ""
        if expected is not None:
            pixels = np.rint(expected * (255 / (order.values - 1))).astype(np.uint8)
            estimate = estimate_entry(
                len(job.images), job.reported, pixels.transpose(1, 2, 0).tobytes()
            )
        self._around.outlet.progress(order.claim.token, job.reported, estimate)

    def _found(self, job: _Job) -> Findings | None:
        assert job.run is not None
        return job.run.receipt() if len(job.images) + 1 == job.order.images else None

    def _hand_on(
        self, job: _Job, image: NDArray[np.int64], found: Findings | None
    ) -> None:
        """Publish an image.

        found: with the job's last image, receipt and maps of all.
        """
        order = job.order
        token = order.claim.token
        sample = len(job.images)
        del self._seated[order.model]
        job.images.append(image)
        self._scheduler.leave(token)
        publish_image(self._around, order, sample, image)
        self._around.outlet.progress(token, (sample + 1) / order.images)
        if found is not None:
            del self._jobs[token]
            # A job of no images has drawn one for its statistics alone.
            images = np.stack(job.images)[: len(order.published)]
            self._assess(
                Assessment(
                    order.claim,
                    order.model,
                    images,
                    order.rank,
                    label=order.hole.label,
                    found=found,
                    values=order.values,
                )
            )

    def _failed(self, order: ParticleOrder, error: Exception) -> None:
        if isinstance(error, ImpossibleError):
            self._around.outlet.end(
                order.claim.token, failed(impossible_picture(error))
            )
            return
        self._around.report_failure(order, error, drawing_failed)
