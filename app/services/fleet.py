"""The state of all workers and of the queue. Requests are checked against it, so it is
read in advance, and seldom."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import structlog
from anyio.to_thread import run_sync

from app.errors import NoWorkerError
from app.store import Load, ServerState, Store
from worker.contract import keys
from worker.contract.cards import ModelCard, WorkerInfo
from worker.contract.jobs import JobRecord, JobSpec, JobStatus
from worker.contract.kinds.add import KIND as ADD
from worker.contract.kinds.train import KIND as TRAIN
from worker.contract.size import PUT_OFF
from worker.contract.submission import LEAST_ROOM

_log = structlog.get_logger("pixelrnn.api")
_MAX_RETRY_S = 300
_UNMEASURED_RETRY_S = 5


@dataclass(frozen=True)
class Estimates:
    """Estimates of times, from the open work and the recent speed. Work is counted in
    values (one colour of one pixel)."""

    load: Load

    @property
    def drained_per_s(self) -> float | None:
        """Values drawn per second of the last minute in which there was work; None if
        nothing was drawn."""
        oldest = int(self.load.now // keys.DRAWN_SPAN_S) - keys.DRAWN_SPANS
        spans = [span for span in self.load.drawn if span >= oldest]
        # Workers of earlier versions stored no times: their spans count as busy.
        busy_s = sum(self.load.busy.get(span, keys.DRAWN_SPAN_S) for span in spans)
        return sum(self.load.drawn[span] for span in spans) / busy_s if busy_s else None

    def eta_s(
        self, record: JobRecord, now: float, waiting_before: int | None
    ) -> float | None:
        """Return the estimated seconds until the job's last row; None after its end, if
        nothing was measured, or if it waits for a worker that can do it.

        now: time in seconds since 1970.
        waiting_before: number of jobs before it in the queue; None if it is unknown.
        """
        if record.status is JobStatus.RUNNING:
            return self._running_eta_s(record, now)
        rate = self.drained_per_s
        if (
            record.status is not JobStatus.QUEUED
            or record.parked
            or record.ahead is None
            or rate is None
        ):
            return None
        if not record.spec.work:  # it waits for other trainings, or to be examined
            return None
        finished = self.load.accepted - self.load.work
        before_it = max(
            0, record.ahead - finished, (waiting_before or 0) * self.load.mean_work
        )
        alone = max(self.load.took.get(record.spec.model, 0.0), record.spec.work / rate)
        return round(before_it / rate + alone, 3)

    def _running_eta_s(self, record: JobRecord, now: float) -> float | None:
        """Return the seconds until a running job ends at its own speed, or, before it
        has one, at that of earlier jobs of its model."""
        spent = max(now - (record.started_at or now), 0.0)
        if record.progress:
            return round(spent / record.progress * (1 - record.progress), 3)
        took = self.load.took.get(record.spec.model)
        return None if took is None else round(max(0.0, took - spent), 3)

    def retry_s(self, excess_work: float) -> int:
        """Return the whole seconds until `excess_work` values are drawn, for
        `Retry-After`; at most five minutes."""
        rate = self.drained_per_s
        if rate is None:
            return _UNMEASURED_RETRY_S
        return int(min(max(1, -(-excess_work // rate)), _MAX_RETRY_S))


@dataclass(frozen=True)
class Fleet:
    """The live workers, the load and the server, as read at one moment."""

    workers: list[WorkerInfo]
    """The live workers that draw, without drained ones."""
    load: Load
    redis: ServerState
    trainers: tuple[WorkerInfo, ...] = ()
    """The live trainers."""
    remembered: Mapping[str, list[WorkerInfo]] = field(default_factory=dict)
    """The last workers of each queue, if jobs are accepted while none runs."""

    @cached_property
    def known(self) -> list[WorkerInfo]:
        """The workers whose models may be asked for: live ones first, then the
        remembered ones of sleeping queues."""
        asleep = [
            worker
            for queue, workers in self.remembered.items()
            if self.is_asleep(queue)
            for worker in workers
            if not worker.is_trainer
        ]
        return [*self.workers, *asleep] if asleep else self.workers

    def is_asleep(self, queue: str) -> bool:
        """Return True if no worker of this queue runs and the last ones are
        remembered."""
        live = (*self.workers, *self.trainers)
        return queue in self.remembered and all(one.queue != queue for one in live)

    def memory_for_jobs(self, share: float) -> int | None:
        """Return the bytes that open jobs may still write, if jobs may use this share
        (0 to 1) of Redis's memory. None if it has no limit. The result may be
        negative."""
        return (
            int(share * self.redis.limit) - self.redis.used
            if self.redis.limit
            else None
        )

    def is_full(self, share: float) -> bool:
        """Return True if not even the smallest job has room, whoever submits it."""
        memory = self.memory_for_jobs(share)
        return memory is not None and memory - self.load.room < LEAST_ROOM

    def memory_free(self, share: float) -> float | None:
        """Return the part of the memory for jobs that is neither used nor reserved, 0
        to 1; None if Redis has no limit."""
        memory = self.memory_for_jobs(share)
        if memory is None:
            return None
        return round(max(0, memory - self.load.room) / (share * self.redis.limit), 3)

    @property
    def estimates(self) -> Estimates:
        """Estimates of times from this load."""
        return Estimates(self.load)

    def queue_for(self, spec: JobSpec) -> str:
        """Return the queue of the workers that can do the job; of several, the one with
        the fewest waiting jobs. A sleeping queue is chosen if no live worker can do it.
        Raises NoWorkerError if there is none."""
        able = [worker for worker in self.known if worker.takes(spec)]
        awake = [worker for worker in able if not self.is_asleep(worker.queue)]
        queues = dict.fromkeys(worker.queue for worker in awake or able)
        if not queues:
            raise NoWorkerError(self._nobody_for(spec))
        return min(queues, key=lambda queue: self.load.waiting_in(queue))

    def waits_for(self, record: JobRecord) -> str | None:
        """Return a phrase for what a job waits for, such as weights that are being
        loaded; None if it only waits for its turn, or does not wait."""
        spec = record.spec
        if record.status is JobStatus.RUNNING:
            is_put_off = record.share == PUT_OFF and not record.rows_done
            if spec.rows_total and is_put_off:
                return (
                    "larger pictures of two other widths: a worker draws two widths of"
                    " a model at once"
                )
            return None
        if record.status is not JobStatus.QUEUED:
            return None

        if spec.kind == TRAIN.word:
            if self.is_asleep(keys.TRAIN_QUEUE):
                return "a trainer is being started"
            return None if self.trainers else "a trainer: none is there"
        if not self.known:
            return "a worker: none is there"
        if not self.workers:
            return "a worker is being started"
        if spec.kind == ADD.word:
            if all(worker.version < spec.version for worker in self.workers):
                return "a worker of a later version to examine it"
            return "a worker to examine it"

        able = [worker for worker in self.workers if worker.takes(spec)]
        if any(worker.is_ready(spec) for worker in able):
            return None
        if able:
            return _weights_of(spec, able)
        if any(worker.takes(spec) for worker in self.known):
            return "a worker is being started"
        return _able_worker(spec, self.workers)

    def depths_of_workers(self) -> list[int]:
        """Return the number of waiting jobs in the queue of each known worker."""
        return [self.load.waiting_in(worker.queue) for worker in self.known]

    def _nobody_for(self, spec: JobSpec) -> str:
        holders = [worker for worker in self.workers if worker.holds(spec)]
        second = spec.options.second_model
        if second and any(worker.version >= spec.version for worker in holders):
            return f"no worker holds both {spec.model} and {second}"
        if holders:
            return (
                "the workers that hold this model are of an earlier version, "
                "which cannot do this"
            )
        return "the last worker that holds this model has just left"


def _weights_of(spec: JobSpec, able: list[WorkerInfo]) -> str:
    """Return for which weights a job waits.

    able: the workers that can do it, none of which has them in memory.
    """
    # The worker with the most models in memory is expected to be ready first.
    worker = max(able, key=lambda one: len(one.ready))
    card = worker.card_of(spec)
    if card is not None and card.unloaded:
        return f"{spec.model} to be loaded again"
    done = "compiled" if card is not None and card.cold else "loaded"
    ready = f"{len(worker.ready)} of {len(worker.models)} models are ready"
    return f"{spec.model} to be {done} ({ready})"


def _able_worker(spec: JobSpec, workers: list[WorkerInfo]) -> str:
    """Return for which worker a job waits. None of `workers` can do it."""
    holders = [worker for worker in workers if worker.holds(spec)]
    if not holders:
        digest = f"{spec.identity_or_digest[:12]}..."
        return (
            f"a worker with the weights and labels of {spec.model} that the job was"
            f" accepted for ({digest})"
        )
    if any(worker.version >= spec.version for worker in holders):
        return f"a worker that can {spec.kind}: those that hold {spec.model} cannot"
    return "a worker of a later version"


class FleetWatch:
    """Reads the fleet at intervals, and shares the result among requests. It reads
    again before the last result is too old, so that few requests have to wait."""

    def __init__(
        self,
        store: Store,
        age_s: float,
        is_there: Callable[[ModelCard], bool] | None = None,
    ) -> None:
        """store: where the fleet is read.
        age_s: seconds for which a result is used.
        is_there: returns False if a remembered model was deleted. It reads the disk, so
            it is called in a thread. None if jobs are refused while no worker runs."""
        self._store = store
        self._is_there = is_there
        self._age_s = age_s
        self._look: asyncio.Task[Fleet] | None = None
        self._seen: Fleet | None = None
        self._seen_at = 0.0

    async def now(self) -> Fleet:
        """Return the fleet as it was at most `age_s` seconds ago. Raises an error of
        STORE_TROUBLE if it has to be read and Redis does not respond."""
        age_s = time.monotonic() - self._seen_at
        if self._seen is None or age_s > self._age_s:
            return await asyncio.shield(self._begin())
        if age_s > 0.7 * self._age_s:
            self._begin()
        return self._seen

    def _begin(self) -> "asyncio.Task[Fleet]":
        """Return the running read, or begin one."""
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self.fresh())
            # No request may wait for it: its error must count as retrieved.
            self._look.add_done_callback(
                lambda look: look.cancelled() or look.exception()
            )
        return self._look

    async def fresh(self) -> Fleet:
        """Read the fleet now, and return it. Weaknesses of the server are logged when
        they change. Raises an error of STORE_TROUBLE if Redis does not respond."""
        at = time.monotonic()
        workers, load, server = await asyncio.gather(
            self._store.workers(), self._store.load(), self._store.server()
        )
        # Drained workers take no jobs.
        taking = [worker for worker in workers if not worker.drained]
        drawing = [worker for worker in taking if not worker.is_trainer]
        trainers = tuple(worker for worker in taking if worker.is_trainer)
        seen = Fleet(drawing, load, server, trainers, await self._remembered())
        if self._seen is None or server.weaknesses != self._seen.redis.weaknesses:
            for weakness in server.weaknesses:
                _log.warning("redis_may_lose_jobs", reason=weakness)
        if at >= self._seen_at:
            self._seen, self._seen_at = seen, at
        return seen

    async def _remembered(self) -> dict[str, list[WorkerInfo]]:
        if self._is_there is None:
            return {}
        found = await self._store.remembered()
        return await run_sync(_without_deleted, found, self._is_there)


def _without_deleted(
    found: dict[str, list[WorkerInfo]], is_there: Callable[[ModelCard], bool]
) -> dict[str, list[WorkerInfo]]:
    return {
        queue: [
            worker.model_copy(update={"models": tuple(filter(is_there, worker.models))})
            for worker in workers
        ]
        for queue, workers in found.items()
    }
