"""The executions that are under way: whether there is room for one more, and their leases."""

import threading
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq.executions import Execution
from rq.worker import WorkerStatus

from worker.contract import keys
from worker.queue.rq_job import DrawJob
from worker.queue.rq_worker import RqWorker
from worker.queue.scripts import GRANT, RENEW

LOOK_S = 0.2


class Held:
    """Claims by token, oldest first. max_jobs: limit of jobs that are not drawn yet; a quarter more may be of owners
    who would else have none. is_late(): the engine should be back by now, so that nothing more is begun."""

    def __init__(
        self, rq: RqWorker, max_jobs: int, is_late: Callable[[], bool] = lambda: False
    ) -> None:
        self._rq = rq
        self._max_jobs = max_jobs
        self._is_late = is_late
        self._executions = rq.executions  # RQ takes those out that it has dealt with
        self._drawn: set[str] = (
            set()
        )  # executions whose last rows are still to be written
        self._room = threading.Condition()

    def __len__(self) -> int:
        return len(self._executions)

    def all(self) -> list[Execution]:
        return list(self._executions.values())

    def get(self, token: str) -> Execution | None:
        return self._executions.get(token)

    def wait_for_room(self) -> int:
        """Wait until there is room for a job, or a moment has passed; returns for how many more there is room."""
        with self._room:
            return self._room.wait_for(
                lambda: self._room_left(self._max_jobs), timeout=LOOK_S
            )

    @property
    def has_room_for_newcomer(self) -> bool:
        """Is there room for the job of an owner who has none here?"""
        with self._room:
            return self._room_left(self._max_jobs * 5 // 4) > 0

    def owners(self) -> set[str]:
        """The owners of all that is held."""
        return {execution._job.owner for execution in self.all()}  # type: ignore[union-attr]

    def _room_left(self, most: int) -> int:
        """Jobs that are drawn and only to be written would leave the engine without work; yet they must not pile up."""
        if self._is_late():
            return 0
        held = len(self._executions)
        return max(0, min(most - (held - len(self._drawn)), 2 * self._max_jobs - held))

    def take(
        self,
        job: DrawJob,
        ask: Callable[[Any, str], None] = lambda pipeline, token: None,
    ) -> tuple[Execution, list[Any]]:
        """Take the lease, mark the job as started and clear the intermediate queue, all at once: a job is never in
        between, wherever the process dies. `ask(pipeline, token)` adds what else is asked of Redis in the same moment,
        for the execution of this token; the answers to that are returned, errors too. Raises RedisError."""
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
        for error in answers[:own]:
            if isinstance(error, RedisError):
                raise error
        self._executions[execution.id] = execution
        return execution, answers[own:]

    def drawn(self, token: str) -> None:
        """The execution asks nothing more of the engine."""
        with self._room:
            if token in self._executions:
                self._drawn.add(token)
                self._room.notify()

    def forget(self, execution: Execution) -> None:
        """It is over for this worker: there is room for another."""
        with self._room:
            self._executions.pop(execution.id, None)
            self._drawn.discard(execution.id)
            self._room.notify()

    def beat(self, redis: Redis) -> None:
        """Renew every lease and RQ's record of this worker. Called twice a second. Raises RedisError."""
        rq, executions = self._rq, self.all()
        registry = rq.queue.started_job_registry
        with redis.pipeline() as pipeline:
            pipeline.hset(
                rq.key, mapping=rq.serialize()
            )  # whole: Redis may have come back without it
            rq.heartbeat(pipeline=pipeline)
            rq.set_state(
                WorkerStatus.BUSY if executions else WorkerStatus.IDLE,
                pipeline=pipeline,
            )
            for execution in executions:
                execution.heartbeat(registry, keys.LEASE_S, pipeline=pipeline)
            members = [execution.composite_key for execution in executions]
            pipeline.eval(RENEW, 1, registry.key, keys.LEASE_S, *members)
            pipeline.execute()
