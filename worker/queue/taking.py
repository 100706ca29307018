"""Takes jobs from the queue, one at a time, and from what other workers parked because they cannot do it."""

import os
import time
from typing import Any

import structlog
from redis.exceptions import RedisError
from rq.exceptions import DequeueTimeout
from rq.job import Job
from rq.suspension import is_suspended

from worker.contract import keys
from worker.jobs.admission import Admission
from worker.orders.claims import failed
from worker.orders.faults import malformed_entry
from worker.process.redis_clients import BLOCK_S
from worker.queue.held import LOOK_S, Held
from worker.queue.rq_job import DrawJob
from worker.queue.rq_worker import RqWorker
from worker.queue.scripts import UNPARK

MAX_BACK_OFF_S = 1.0
PARKED_LOOK = 100
"""How many of the parked jobs are looked at together, those that wait longest first, then the next ones."""


class UnreadableEntryError(Exception):
    """RQ has no record of a parked job that it could read."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id


class Taking:
    """`admission` knows the jobs behind the ids."""

    def __init__(self, rq: RqWorker, held: Held, admission: Admission) -> None:
        self._rq = rq
        self._held = held
        self._admission = admission
        self._parked = keys.parked(rq.queue.name)
        self._look_at_parked_at = 0.0
        self._parked_seen = 0
        self._suspended = False
        self._look_at_suspension_at = 0.0
        self._log = structlog.get_logger("intake")

    def next(self) -> DrawJob | None:
        """The next job when there is room for it; None when the worker shall stop."""
        back_off_s = 0.0
        while not self._rq.stopping:
            if not self._admission.wait_until_ready(LOOK_S) or not self._held.wait_for_room():
                continue
            try:
                if job := self._take():
                    return job
                back_off_s = 0.0
            except RedisError as error:
                back_off_s = min(max(2 * back_off_s, 0.05), MAX_BACK_OFF_S)
                self._log.warning("redis_away", error=str(error), retry_in_s=back_off_s)
                time.sleep(back_off_s)
        return None

    def _take(self) -> DrawJob | None:
        """Wait up to a second for a job. Raises RedisError."""
        if self._is_suspended():
            time.sleep(BLOCK_S)
            return None
        try:
            return self._take_parked() or self._take_queued()
        except DequeueTimeout:
            return None
        except RedisError:
            raise
        except Exception as error:  # the edge to whoever can write to Redis: an entry that RQ itself cannot read
            self._drop_unreadable(getattr(error, "job_id", None), error)
            return None

    def _take_queued(self) -> DrawJob | None:
        rq = self._rq
        found = rq.queue_class.dequeue_any(
            rq.queues,
            self._patience_s,  # type: ignore[arg-type]  (handed to BLMOVE, which takes parts of a second)
            connection=rq.connection,
            job_class=rq.job_class,
            serializer=rq.serializer,
            death_penalty_class=rq.death_penalty_class,
        )
        return _draw_job(found[0]) if found else None

    def _take_parked(self) -> DrawJob | None:
        """The first job that another worker could not do and this one can, or not yet; looked for now and then."""
        if time.monotonic() < self._look_at_parked_at:
            return None
        redis: Any = self._rq.connection
        first = self._parked_seen
        parked = [os.fsdecode(job_id) for job_id in redis.zrange(self._parked, first, first + PARKED_LOOK - 1)]
        for job_id in [job_id for job_id, ours in zip(parked, self._admission.ours(parked), strict=True) if ours]:
            if redis.eval(UNPARK, 2, self._parked, self._rq.queue.intermediate_queue_key, job_id):
                return self._fetch(job_id)
        self._look_at_parked_at = time.monotonic() + self._patience_s
        self._parked_seen = first + PARKED_LOOK if len(parked) == PARKED_LOOK else 0
        return None

    @property
    def _patience_s(self) -> float:
        """How long a wait for the queue may last, before parked jobs are looked at."""
        return LOOK_S if self._admission.is_compiling else BLOCK_S

    def _fetch(self, job_id: str) -> DrawJob:
        try:
            return _draw_job(DrawJob.fetch(job_id, connection=self._rq.connection, serializer=self._rq.serializer))
        except RedisError:
            raise
        except Exception as error:
            raise UnreadableEntryError(job_id) from error

    def _is_suspended(self) -> bool:
        """Whether an operator told all workers to pause; asked once a second, and not before every job."""
        if time.monotonic() >= self._look_at_suspension_at:
            self._suspended = bool(is_suspended(self._rq.connection))
            self._look_at_suspension_at = time.monotonic() + BLOCK_S
        return self._suspended

    def _drop_unreadable(self, job_id: str | None, error: Exception) -> None:
        self._log.error("entry_unreadable", job_id=job_id, error=repr(error))
        if job_id is not None:
            self._admission.refuse(job_id, failed(malformed_entry("Its record in the queue cannot be read.")))
            self._rq.connection.lrem(self._rq.queue.intermediate_queue_key, 0, job_id)


def _draw_job(job: Job) -> DrawJob:
    assert isinstance(job, DrawJob)  # RQ makes jobs of the class that it is given
    return job
