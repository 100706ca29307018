"""Takes jobs from the queue, a few at a time, and from what other workers parked because they cannot do it."""

import itertools
import json
import os
import time
from collections import deque
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
from worker.queue.held import LOOK_S, Held
from worker.queue.rq_job import DrawJob
from worker.queue.rq_worker import RqWorker, Taken
from worker.queue.scripts import TAKE, TAKE_NEWCOMER, UNPARK

AT_ONCE = 4
"""Jobs that are taken in one round trip, which takes a few milliseconds where the disk is slow. No more, so that other
workers that wait get some too."""

PARKED_LOOK = 100
"""How many of the parked jobs are looked at together, those that wait longest first, then the next ones."""


class Taking:
    """`admission` knows the jobs behind the ids."""

    def __init__(self, rq: RqWorker, held: Held, admission: Admission) -> None:
        self._rq = rq
        self._held = held
        self._admission = admission
        self._at_hand: deque[Taken] = deque()
        self._parked = keys.parked_ids(rq.queue.name)
        self._look_at_parked_at = 0.0
        self._parked_seen = 0
        self._suspended = False
        self._look_at_suspension_at = 0.0
        self._log = structlog.get_logger("intake")

    def next(self) -> Taken | None:
        """The next job when there is room for it; None when the worker shall stop."""
        backoff = Backoff()
        while not self._rq.stopping:
            self._admission.let_go()
            if self._at_hand:
                return self._at_hand.popleft()
            is_ready = self._admission.wait_until_ready(LOOK_S)
            room = is_ready and self._held.wait_for_room()
            try:
                if room:
                    self._take(min(room, AT_ONCE))
                elif (
                    is_ready
                    and self._held.has_room_for_newcomer
                    and not self._is_suspended()
                ):
                    self._take_newcomer()
                backoff.succeeded()
            except RedisError as error:
                self._log.warning(
                    "redis_away", error=str(error), retry_in_s=backoff.failed()
                )
                time.sleep(backoff.wait_s)
            except Exception:  # the edge to whoever can write to Redis
                self._log.exception("taking_failed", retry_in_s=backoff.failed())
                time.sleep(backoff.wait_s)
        return None

    def put_back(self) -> None:
        """Put what was taken and will not be begun back to the front of the queue. Raises RedisError."""
        if self._at_hand:
            self._rq.put_back([taken.job.id for taken in self._at_hand])
            self._at_hand.clear()

    def _take(self, room: int) -> None:
        """Take so many jobs; wait up to a second for the first one. Raises RedisError."""
        if self._is_suspended():
            time.sleep(BLOCK_S)
        elif not self._take_parked():
            self._take_queued(room)

    def _take_queued(self, room: int) -> None:
        """Take jobs: several in one round trip if some wait; otherwise the first one that comes ends the wait."""
        if self._move(room):
            return
        queue = self._rq.queue
        redis: Any = (
            self._rq.connection
        )  # it takes parts of a second, whatever its types say
        job_id = redis.blmove(queue.key, queue.intermediate_queue_key, self._patience_s)
        if job_id is not None:
            self._move(room - 1, job_id)

    def _take_newcomer(self) -> None:
        """Take a job of an owner who has none here: else one with large jobs would keep all others out until these are
        drawn."""
        queue = self._rq.queue
        owners = json.dumps(dict.fromkeys(self._held.owners(), 1))
        redis: Any = self._rq.connection
        if job_id := redis.eval(
            TAKE_NEWCOMER, 2, queue.key, queue.intermediate_queue_key, owners
        ):
            self._move(0, job_id)

    def _move(self, count: int, *taken: bytes) -> int:
        """Move so many ids from the queue, and read what is to be seen of them and of those that were taken before.
        Returns how many there were."""
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
                self._at_hand.append(
                    Taken(job, spec if status in OPEN else None, bool(is_under_way))
                )
        return len(answers)

    def _job(self, name: bytes, entry: list[bytes] | None) -> DrawJob | None:
        """RQ's job of these fields and values. None without any, which the recovery finds; and where it makes no sense,
        which is the end of it: whoever can write to Redis may have written it."""
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
        """Take an entry off the queue, whatever is wrong with it, and end its job if there is one."""
        self._log.error(
            "entry_unreadable", job_id=name.decode(errors="replace"), error=repr(error)
        )
        self._admission.drop(
            name, failed(malformed_entry("Its record in the queue cannot be read."))
        )
        self._rq.connection.lrem(self._rq.queue.intermediate_queue_key, 0, name)  # type: ignore[arg-type]

    def _take_parked(self) -> bool:
        """The first job that another worker could not do and this one can, or not yet; looked for now and then."""
        if time.monotonic() < self._look_at_parked_at:
            return False
        self._look_at_parked_at = (
            time.monotonic() + self._patience_s
        )  # whatever becomes of this look
        redis: Any = self._rq.connection
        first = self._parked_seen
        parked = redis.zrange(self._parked, first, first + PARKED_LOOK - 1)
        ours = self._admission.ours([os.fsdecode(job_id) for job_id in parked])
        for job_id in itertools.compress(parked, ours):
            if redis.eval(
                UNPARK, 2, self._parked, self._rq.queue.intermediate_queue_key, job_id
            ):
                self._look_at_parked_at = 0.0
                return self._move(0, job_id) > 0
        self._parked_seen = first + PARKED_LOOK if len(parked) == PARKED_LOOK else 0
        return False

    @property
    def _patience_s(self) -> float:
        """How long a wait for the queue may last, before parked jobs are looked at."""
        return LOOK_S if self._admission.is_compiling else BLOCK_S

    def _is_suspended(self) -> bool:
        """True if an operator told all workers to pause; asked once a second, and not before every job."""
        if time.monotonic() >= self._look_at_suspension_at:
            self._suspended = bool(is_suspended(self._rq.connection))
            self._look_at_suspension_at = time.monotonic() + BLOCK_S
        return self._suspended
