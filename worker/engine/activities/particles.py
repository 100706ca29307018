"""Images that are drawn by particles: one island at a time of each model, a row of all its particles in a turn.

Islands of several jobs of a model take turns image by image, by the scheduler's rules.
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
from worker.engine.assessment import Assessment, Found
from worker.engine.scheduler import Scheduler
from worker.orders.claims import failed
from worker.orders.faults import drawing_failed, impossible_picture
from worker.orders.kinds.complete import ParticleOrder

PARTICLES_OF = "particles of "
"""Stands before the name of a model, among those that take turns."""
SHARE_TOLD = 0.01
"""How much more of a job's work must be done before it is told again."""
ESTIMATE_EVERY_S = 0.2
"""Seconds from one estimate of a job to its next, at the least."""


class Run(Protocol):
    """An IslandsRun, EnumeratedRun or ExactRun of model_core.posterior, as far as it is
    used here."""

    def steps(self, i: int, /) -> Iterator[float | NDArray[np.int64]]: ...
    def expected_so_far(self) -> NDArray[np.float64] | None: ...
    def receipt(self) -> Found: ...


NewRun = Callable[[ParticleOrder], Run]


@dataclass
class _Job:
    order: ParticleOrder
    run: Run | None = None
    """The run, from its first island on."""
    images: list[NDArray[np.int64]] = field(default_factory=list)
    told: float = 0.0
    estimated_at: float = -ESTIMATE_EVERY_S


@dataclass(frozen=True)
class _Island:
    token: str
    steps: Iterator[float | NDArray[np.int64]]


class ByParticles:
    """assess: what is done with the images of a job once they are drawn. new_run(order): what draws the job's islands;
    several runs of a model may be open, but only one is in a step. free(model): frees the memory of its particles."""

    orders: ClassVar[tuple[type, ...]] = (ParticleOrder,)

    def __init__(
        self,
        around: Surroundings,
        assess: Callable[[Assessment], None],
        new_run: NewRun | None = None,
        free: Callable[[str], None] = lambda model: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._around = around
        self._assess = assess
        self._new_run = new_run
        self._free = free
        self._clock = clock
        self._scheduler: Scheduler[int] = Scheduler()
        self._jobs: dict[str, _Job] = {}
        self._seated: dict[str, _Island] = {}

    def busy(self) -> list[str]:
        return sorted({PARTICLES_OF + job.order.model for job in self._jobs.values()})

    def accept(self, order: ParticleOrder) -> None:
        token = order.claim.token
        self._jobs[token] = _Job(order)
        self._scheduler.add(
            token, order.model, range(order.images), order.priority, order.claim.owner
        )

    def orders_under(self, name: str) -> list[ParticleOrder]:
        return [
            job.order
            for job in self._jobs.values()
            if PARTICLES_OF + job.order.model == name
        ]

    def models(self) -> set[str]:
        return {job.order.model for job in self._jobs.values()}

    def forget(self, token: str) -> None:
        job = self._jobs.pop(token, None)
        if job is None:
            return
        self._scheduler.drop(token)
        seated = self._seated.get(job.order.model)
        if seated is not None and seated.token == token:
            del self._seated[job.order.model]

    def rest(self, model: str) -> None:
        """Free the memory of a model's particles, where it has no work."""
        if not self.orders_under(PARTICLES_OF + model):
            self._free(model)

    def turn(self, name: str) -> None:
        """One step of one image: at most a row of each particle."""
        model = name.removeprefix(PARTICLES_OF)
        self._step(name, model)
        if model not in self._around.served:
            self.rest(model)

    def _step(self, name: str, model: str) -> None:
        began, island = time.perf_counter(), self._island(model)
        job = self._jobs[island.token]
        # Sixteen particles take sixteen threads as long as one.
        size = -(-job.order.particles // threads_in_use())
        self._around.deadlines.begin(name, size, job.order.claim.deaths)
        try:
            done = next(island.steps)
            image, expected = (
                (done, None)
                if isinstance(done, np.ndarray)
                else (None, self._expected(job))
            )
            found = None if image is None else self._found(job)
        except Exception as error:  # the engine's edge: whatever breaks ends this job, and not the process
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
            self._tell(job, done, expected)

    def _island(self, model: str) -> _Island:
        """The island that is being drawn, or the next one."""
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
        """The expected value (C, H, W) of each variable so far, where that is news."""
        now = self._clock()
        if job.run is None or now < job.estimated_at + ESTIMATE_EVERY_S:
            return None
        expected = job.run.expected_so_far()
        if expected is not None:
            job.estimated_at = now
        return expected

    def _tell(
        self, job: _Job, done: float, expected: NDArray[np.float64] | None
    ) -> None:
        order, share = job.order, (len(job.images) + done) / job.order.images
        if share < job.told + SHARE_TOLD and expected is None:
            return
        job.told = max(job.told, share)
        estimate = ""
        if expected is not None:
            pixels = np.rint(expected * (255 / (order.values - 1))).astype(np.uint8)
            estimate = estimate_entry(
                len(job.images), job.told, pixels.transpose(1, 2, 0).tobytes()
            )
        self._around.outlet.progress(order.claim.token, job.told, estimate)

    def _found(self, job: _Job) -> Found | None:
        """The receipt, if the image that has just been drawn is the job's last."""
        assert job.run is not None
        return job.run.receipt() if len(job.images) + 1 == job.order.images else None

    def _hand_on(
        self, job: _Job, image: NDArray[np.int64], found: Found | None
    ) -> None:
        """found: of all images, with the last one, which is handed on for what else is asked of them."""
        order, token, sample = job.order, job.order.claim.token, len(job.images)
        del self._seated[order.model]
        job.images.append(image)
        self._scheduler.leave(token)
        publish_image(self._around, order, sample, image)
        self._around.outlet.progress(token, (sample + 1) / order.images)
        if found is not None:
            del self._jobs[token]
            images = np.stack(job.images)[: len(order.published)]
            told = {"label": order.hole.label, "found": found, "values": order.values}
            self._assess(
                Assessment(order.claim, order.model, images, order.rank, **told)
            )

    def _failed(self, order: ParticleOrder, error: Exception) -> None:
        if isinstance(error, ImpossibleError):
            self._around.outlet.end(
                order.claim.token, failed(impossible_picture(error))
            )
            return
        self._around.broke_off(order, error, drawing_failed)
