"""Takes jobs from the queue, a few at a time, and jobs that other workers parked
because they could not do them."""

import itertools
import json
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import structlog
from redis.exceptions import RedisError
from rq.suspension import is_suspended

from worker.contract import keys
from worker.contract.submission import client_of
from worker.jobs.admission import Admission
from worker.jobs.ledger import OPEN
from worker.orders.claims import failed
from worker.orders.faults import malformed_entry
from worker.process.backoff import Backoff
from worker.process.redis_clients import BLOCK_S
from worker.queue.held_jobs import LOOK_S, HeldJobs
from worker.queue.rq_job import DrawJob
from worker.queue.rq_worker import RqWorker, TakenJob
from worker.queue.scripts import TAKE, TAKE_NEWCOMER, UNPARK

AT_ONCE = 4
"""Most jobs that are taken in one round trip, which takes a few milliseconds on a slow
disk. No more, so that other waiting workers get some too."""

PARKED_LOOK = 100
"""Number of parked jobs that are looked at together: the longest waiting first, then
the next ones."""


class Taking:
    """Takes jobs for this worker. Only the thread of RQ's loop uses it."""

    def __init__(
        self,
        rq: RqWorker,
        held: HeldJobs,
        admission: Admission,
        is_drained: Callable[[], bool] = lambda: False,
    ) -> None:
        """admission: decides which jobs this worker can do, and ends invalid ones.
        is_drained(): returns True while no jobs must be taken; called several times per
            second."""
        self._rq = rq
        self._held = held
        self._admission = admission
        self._is_drained = is_drained
        self._pending: deque[TakenJob] = deque()
        self._parked = keys.parked_ids(rq.queue.name)
        self._look_at_parked_at = 0.0
        self._parked_seen = 0
        self._suspended = False
        self._look_at_suspension_at = 0.0
        self._log = structlog.get_logger("intake")

    def next(self) -> TakenJob | None:
        """Return the next job as soon as there is one and room for it; None once the
        worker is stopping. Raises nothing."""
        backoff = Backoff()
        while not self._rq.stopping:
            self._admission.unload_proposed_models()
            is_drained = self._is_drained()
            if self._pending and not is_drained:
                return self._pending.popleft()
            is_ready = self._admission.wait_until_ready(LOOK_S)
            room = is_ready and self._held.wait_for_room()
            try:
                if is_drained:
                    self.put_back()
                    time.sleep(LOOK_S)
                elif room:
                    self._take(min(room, AT_ONCE))
                elif is_ready and self._may_take_newcomer():
                    self._take_newcomer()
                backoff.succeeded()
            except RedisError as error:
                self._log.warning(
                    "redis_away", error=str(error), retry_in_s=backoff.failed()
                )
                time.sleep(backoff.wait_s)
            except Exception:
                # Other programs can write to Redis; nothing there may end this worker.
                self._log.exception("taking_failed", retry_in_s=backoff.failed())
                time.sleep(backoff.wait_s)
        return None

    def _may_take_newcomer(self) -> bool:
        return self._held.has_room_for_newcomer and not self._is_suspended()

    def put_back(self) -> None:
        """Move jobs that were taken and will not be begun to the front of the queue."""
        job_ids = [taken.job.id for taken in self._pending]
        # First, so that nothing is put back twice: what a lost connection leaves in the
        # intermediate list, the recovery finds.
        self._pending.clear()
        if job_ids:
            self._rq.put_back(job_ids)

    def _take(self, room: int) -> None:
        if self._is_suspended():
            time.sleep(BLOCK_S)
        elif not self._take_parked():
            self._take_queued(room)

    def _take_queued(self, room: int) -> None:
        if self._move(room):
            return
        queue = self._rq.queue
        # redis-py types the timeout as int, but the server accepts fractions.
        redis: Any = self._rq.connection
        job_id = redis.blmove(queue.key, queue.intermediate_queue_key, self._wait_s)
        if job_id is not None:
            self._move(room - 1, job_id)

    def _take_newcomer(self) -> None:
        """Take a job of an owner who has none here. Otherwise an owner with large jobs
        would keep all others waiting until these are drawn."""
        queue = self._rq.queue
        owners = json.dumps(dict.fromkeys(self._held.owners(), 1))
        redis: Any = self._rq.connection
        if job_id := redis.eval(
            TAKE_NEWCOMER, 2, queue.key, queue.intermediate_queue_key, owners
        ):
            self._move(0, job_id)

    def _move(self, count: int, *taken: bytes) -> int:
        """Move up to `count` ids from the queue, and read their jobs and those of ids
        in `taken`, which were moved before. Return the number of ids."""
        queue, redis = self._rq.queue, self._rq.connection
        places = [
            queue.key,
            queue.intermediate_queue_key,
            queue.started_job_registry.key,
        ]
        answers: Any = redis.eval(TAKE, len(places), *places, count, *taken)
        for name, entry, status, spec, is_under_way, ticket in answers:
            if (job := self._job(name, entry)) is not None:
                job.owner = client_of(ticket)
                self._pending.append(
                    TakenJob(job, spec if status in OPEN else None, bool(is_under_way))
                )
        return len(answers)

    def _job(self, name: bytes, entry: list[bytes] | None) -> DrawJob | None:
        """Return RQ's job with these fields and values; None if there is no record,
        which the recovery finds, or an invalid one, which is dropped."""
        if entry == []:
            return None
        try:
            job = DrawJob(
                name.decode(),
                connection=self._rq.connection,
                serializer=self._rq.serializer,
            )
            job.restore(dict(zip(entry[::2], entry[1::2], strict=True)))  # type: ignore[index]
            if job.origin != self._rq.queue.name:
                raise ValueError("an entry of another queue")
        except Exception as error:
            self._drop(name, error)
            return None
        return job

    def _drop(self, name: bytes, error: Exception) -> None:
        self._log.error(
            "entry_unreadable", job_id=name.decode(errors="replace"), error=repr(error)
        )
        self._admission.drop(
            name, failed(malformed_entry("Its record in the queue cannot be read."))
        )
        self._rq.connection.lrem(self._rq.queue.intermediate_queue_key, 0, name)  # type: ignore[arg-type]

    def _take_parked(self) -> bool:
        """Take the first parked job that this worker can do, if it is time to look;
        return False if none was taken."""
        if time.monotonic() < self._look_at_parked_at:
            return False
        # Set first, so that an error does not make the next look come at once.
        self._look_at_parked_at = time.monotonic() + self._wait_s
        redis: Any = self._rq.connection
        first = self._parked_seen
        parked = redis.zrange(self._parked, first, first + PARKED_LOOK - 1)
        ours = self._admission.are_ours([os.fsdecode(job_id) for job_id in parked])
        for job_id in itertools.compress(parked, ours):
            if redis.eval(
                UNPARK, 2, self._parked, self._rq.queue.intermediate_queue_key, job_id
            ):
                self._look_at_parked_at = 0.0
                return self._move(0, job_id) > 0
        self._parked_seen = first + PARKED_LOOK if len(parked) == PARKED_LOOK else 0
        return False

    @property
    def _wait_s(self) -> float:
        # Each model that becomes ready may allow parked jobs.
        return LOOK_S if self._admission.is_compiling else BLOCK_S

    def _is_suspended(self) -> bool:
        """Return True if an operator has suspended all workers."""
        # Once a second, not before every job.
        if time.monotonic() >= self._look_at_suspension_at:
            self._suspended = bool(is_suspended(self._rq.connection))
            self._look_at_suspension_at = time.monotonic() + BLOCK_S
        return self._suspended
