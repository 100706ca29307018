"""The jobs that this worker holds: their executions and leases, and whether there is
room for another one."""

import threading
import time
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq.executions import Execution
from rq.worker import WorkerStatus

from worker.contract import keys
from worker.queue.rq_job import DrawJob
from worker.queue.rq_worker import RECORD_TTL_S, RqWorker
from worker.queue.scripts import GRANT, RENEW

LOOK_S = 0.2
"""Seconds after which a wait for room ends, so that the worker can look at other
things."""


class HeldJobs:
    """RQ's executions of the jobs that this worker holds, by token, oldest first.
    Threads share it."""

    def __init__(
        self, rq: RqWorker, max_jobs: int, is_late: Callable[[], bool] = lambda: False
    ) -> None:
        """Begin with the executions that `rq` holds.

        max_jobs: most jobs that are not completely drawn; a quarter more are allowed
            for owners without a job here.
        is_late(): returns True if the engine process has not come back in time; then
            nothing more is taken.
        """
        self._rq = rq
        self._max_jobs = max_jobs
        self._is_late = is_late
        self._executions = rq.executions  # shared: RQ removes executions as well
        self._drawn: set[str] = set()
        """Tokens of executions whose last rows are still to be written."""
        self._room = threading.Condition()
        self._state = WorkerStatus.STARTED
        self._record_due = 0.0
        """When RQ's record is written again, by the monotonic clock."""

    def __len__(self) -> int:
        return len(self._executions)

    def all(self) -> list[Execution]:
        return list(self._executions.values())

    def tokens(self) -> list[str]:
        return list(self._executions)

    def get(self, token: str) -> Execution | None:
        return self._executions.get(token)

    def wait_for_room(self) -> int:
        """Wait until there is room for a job, at most LOOK_S seconds. Return the number
        of jobs that may be taken."""
        with self._room:
            return self._room.wait_for(
                lambda: self._room_left(self._max_jobs), timeout=LOOK_S
            )

    @property
    def has_room_for_newcomer(self) -> bool:
        """True if a job of an owner who has none here may be taken beyond the usual
        limit."""
        with self._room:
            return self._room_left(self._max_jobs * 5 // 4) > 0

    def owners(self) -> set[str]:
        """Owners of the held jobs."""
        return {execution._job.owner for execution in self.all()}  # type: ignore[union-attr]

    def _room_left(self, most: int) -> int:
        """Return how many more jobs may be taken if at most `most` may be undrawn."""
        if self._is_late():
            return 0
        held = len(self._executions)
        # If jobs that are drawn but not written counted, the engine process would run out
        # of work; but they must not accumulate.
        undrawn = held - len(self._drawn)
        return max(0, min(most - undrawn, 2 * self._max_jobs - held))

    def take(
        self,
        job: DrawJob,
        ask: Callable[[Any, str], None] = lambda pipeline, token: None,
    ) -> tuple[Execution, list[Any]]:
        """Take the lease of a job, mark it as started and remove it from the
        intermediate list, in one transaction: the job is always in exactly one place,
        even if the process dies.

        ask(pipeline, token): may add commands to the transaction, for the execution of
            this token.

        Return the execution and the replies to these commands, in which errors are
        values.
        """
        rq = self._rq
        with rq.connection.pipeline() as pipeline:
            execution = Execution.create(
                job, keys.LEASE_S, pipeline=pipeline, worker_name=rq.name
            )
            pipeline.eval(
                GRANT,
                1,
                rq.queue.started_job_registry.key,
                keys.LEASE_S,
                execution.composite_key,
            )
            job.prepare_for_execution(rq.name, pipeline=pipeline)
            pipeline.persist(job.key)
            pipeline.lrem(rq.queue.intermediate_queue_key, 1, job.id)
            rq.set_state(WorkerStatus.BUSY, pipeline=pipeline)
            own = len(pipeline)
            ask(pipeline, execution.id)
            answers = pipeline.execute(raise_on_error=False)
        # Errors of the commands that `ask` added are for the caller to judge.
        for error in answers[:own]:
            if isinstance(error, RedisError):
                raise error
        self._state = WorkerStatus.BUSY
        self._executions[execution.id] = execution
        return execution, answers[own:]

    def mark_drawn(self, token: str) -> None:
        """Note that the execution needs nothing more from the engine process, which
        makes room for another job."""
        with self._room:
            if token in self._executions:
                self._drawn.add(token)
                self._room.notify()

    def forget(self, execution: Execution) -> None:
        """Remove an execution that is over for this worker, which makes room for
        another job."""
        with self._room:
            self._executions.pop(execution.id, None)
            self._drawn.discard(execution.id)
            self._room.notify()

    def beat(self, redis: Redis) -> None:
        """Renew every lease, and RQ's record of this worker if it is due; called twice
        per second."""
        rq = self._rq
        executions = self.all()
        registry = rq.queue.started_job_registry
        state = WorkerStatus.BUSY if executions else WorkerStatus.IDLE
        now = time.monotonic()
        is_due = state != self._state or now >= self._record_due
        if not executions and not is_due:
            return
        with redis.pipeline() as pipeline:
            if is_due:
                # The whole record: Redis may have restarted without it.
                pipeline.hset(rq.key, mapping=rq.serialize())
                rq.heartbeat(pipeline=pipeline)
                rq.set_state(state, pipeline=pipeline)
            for execution in executions:
                execution.heartbeat(registry, keys.LEASE_S, pipeline=pipeline)
            members = [execution.composite_key for execution in executions]
            if members:
                pipeline.eval(RENEW, 1, registry.key, keys.LEASE_S, *members)
            pipeline.execute()
        if is_due:
            self._state, self._record_due = state, now + RECORD_TTL_S / 3
