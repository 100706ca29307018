"""Images that are drawn by particles: one island at a time of each model, one step of it at a time.

Islands of several jobs take turns image by image, by the scheduler's rules. Knows claims only by their token.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from worker.engine.assessment import Found
from worker.engine.scheduler import Scheduler
from worker.orders.kinds.complete import ParticleOrder

SHARE_TOLD = 0.01
"""How much more of a job's work must be done before it is told again."""


ESTIMATE_EVERY_S = 0.2
"""Seconds from one estimate of a job to its next, at the least."""


class Run(Protocol):
    """model_core.posterior.completion.IslandsRun, as far as it is used here."""

    def steps(self, i: int, /) -> Iterator[float | NDArray[np.int64]]: ...
    def expected_so_far(self) -> NDArray[np.float64] | None: ...
    def receipt(self) -> Found: ...


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


@dataclass(frozen=True)
class Stepped:
    """The result of one step of a job."""

    order: ParticleOrder
    share: float | None = None
    """How much of the job's work is done, 0 to 1; None where that is hardly more than was told before."""
    sample: int = 0
    expected: NDArray[np.float64] | None = None
    """The expected value (C, H, W) of each variable so far, where that is news."""
    image: NDArray[np.int64] | None = None
    """The sample (C, H, W), once it is final."""
    images: NDArray[np.int64] | None = None
    """All of the job's (n, C, H, W), with its last one; n may be 0."""
    found: Found | None = None


class IslandError(Exception):
    """A job cannot be drawn any further."""

    def __init__(self, order: ParticleOrder, reason: Exception) -> None:
        super().__init__(str(reason))
        self.order = order
        self.reason = reason


class Islands:
    """new_run(order): what draws the job's islands; several runs of a model may be open, but only one is in a step.
    free(model): frees the memory of its particles."""

    def __init__(
        self,
        new_run: Callable[[ParticleOrder], Run] | None = None,
        clock: Callable[[], float] = time.monotonic,
        free: Callable[[str], None] = lambda model: None,
    ) -> None:
        self._new_run = new_run
        self._free = free
        self._clock = clock
        self._scheduler: Scheduler[int] = Scheduler()
        self._jobs: dict[str, _Job] = {}
        self._seated: dict[str, _Island] = {}

    def add(self, order: ParticleOrder) -> None:
        """The token must be new."""
        token = order.claim.token
        self._jobs[token] = _Job(order)
        self._scheduler.add(token, order.model, range(order.images), order.priority, order.claim.owner)

    def forget(self, token: str) -> None:
        """Do no more for this claim."""
        job = self._jobs.pop(token, None)
        if job is None:
            return
        self._scheduler.drop(token)
        seated = self._seated.get(job.order.model)
        if seated is not None and seated.token == token:
            del self._seated[job.order.model]

    @property
    def models(self) -> list[str]:
        """The models that have work."""
        return sorted({job.order.model for job in self._jobs.values()})

    def orders_of(self, model: str) -> list[ParticleOrder]:
        return [job.order for job in self._jobs.values() if job.order.model == model]

    def rest(self, model: str) -> None:
        """Free the memory of a model's particles, where it has no work."""
        if model not in self.models:
            self._free(model)

    def order(self, model: str) -> ParticleOrder:
        """The order that the next step is for."""
        return self._jobs[self._island(model).token].order

    def step(self, model: str) -> Stepped:
        """One step of the island that is being drawn, or of the next one. Raises IslandError; the job is forgotten."""
        island = self._island(model)
        job = self._jobs[island.token]
        try:
            done = next(island.steps)
            return self._image_done(job, done) if isinstance(done, np.ndarray) else self._went_on(job, done)
        except Exception as error:  # the engine's edge: whatever breaks ends this job, and not the process
            self.forget(island.token)
            raise IslandError(job.order, error) from error

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

    def _went_on(self, job: _Job, done: float) -> Stepped:
        share = (len(job.images) + done) / job.order.images
        expected = self._expected(job)
        if share < job.told + SHARE_TOLD and expected is None:
            return Stepped(job.order)
        job.told = max(job.told, share)
        return Stepped(job.order, job.told, len(job.images), expected)

    def _expected(self, job: _Job) -> NDArray[np.float64] | None:
        now = self._clock()
        if job.run is None or now < job.estimated_at + ESTIMATE_EVERY_S:
            return None
        expected = job.run.expected_so_far()
        if expected is not None:
            job.estimated_at = now
        return expected

    def _image_done(self, job: _Job, image: NDArray[np.int64]) -> Stepped:
        order = job.order
        del self._seated[order.model]
        sample = len(job.images)
        job.images.append(image)
        share = (sample + 1) / order.images
        self._scheduler.leave(order.claim.token)
        if len(job.images) < order.images:
            return Stepped(order, share, sample, image=image)
        assert job.run is not None
        del self._jobs[order.claim.token]
        images = np.stack(job.images)[: len(order.published)]
        return Stepped(order, share, sample, None, image, images, job.run.receipt())
