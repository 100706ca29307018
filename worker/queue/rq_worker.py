"""RQ's worker, with its loop turned into a series of duties that others carry out: take, begin, stop.

RQ's own workers run one job at a time and most of them fork, which a process that holds a network must not do.
`RqWorker` keeps RQ's queue, registries, retries and worker records, and lets many executions be under way at once:

    queue --BLMOVE--> intermediate --begin--> started (lease) --finish--> finished | failed
                       |      ^               |         \\--give_back--> front of the queue, retries unspent
                      park  unpark            \\-- leases that are not renewed: recovery.py
                       v      |
                        parked
    taking.py       beginning.py              held.py          ending.py

It overrides methods that RQ does not promise to keep; tests/worker/queue/test_rq_contract.py watches them.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq.job import Job
from rq.queue import Queue
from rq.timeouts import TimerDeathPenalty
from rq.utils import utcformat
from rq.worker import SimpleWorker, WorkerStatus

from worker.contract import keys
from worker.process.backoff import Backoff
from worker.process.redis_clients import BLOCK_S, BLOCKING_TIMEOUT_S
from worker.queue.rq_job import SERIALIZER, DrawJob

RECORD_TTL_S = keys.ANNOUNCE_TTL_S
"""RQ's record of a worker outlives its last heartbeat by this, so that a killed worker's name is soon free again."""


class NameTakenError(Exception):
    """Another live worker has this name."""


@dataclass(frozen=True)
class Taken:
    """A job whose entry was taken from the queue, and what was seen of it at that moment."""

    job: DrawJob
    spec: bytes | None
    """Its description; None for a job that has ended, that is gone, or that is no job."""
    is_under_way: bool
    """Somebody has a lease of it: the entry is a second one."""


class Duties(Protocol):
    """Called by RQ's loop, in its thread."""

    def registered(self) -> None:
        """The worker has its name, and takes its first job next."""
        ...

    def take(self) -> Taken | None:
        """The next job, as soon as there is one and room for it; None when the worker shall stop. Raises nothing."""
        ...

    def begin(self, taken: Taken) -> None:
        """Begin the job that was taken, and return. Raises nothing."""
        ...

    def stop(self) -> None:
        """No more jobs are taken: when this returns, nothing of this process writes rows any more. Raises nothing."""
        ...


class RqWorker(SimpleWorker):
    """One RQ worker: its record, its queue, its registries, its signals."""

    death_penalty_class = (
        TimerDeathPenalty  # callbacks may be looked for off the main thread
    )
    job_class = DrawJob

    def __init__(self, queue: str, redis: Redis, name: str) -> None:
        super().__init__(
            [queue],
            name=name,
            connection=redis,
            job_class=DrawJob,
            serializer=SERIALIZER,
        )
        self._duties: Duties
        self._taken: Taken
        self.force_stop = threading.Event()
        self._slog = structlog.get_logger("intake")

    def carry_out(self, duties: Duties) -> None:
        """Work until a signal says stop. Raises NameTakenError."""
        self._duties = duties
        self.work()

    @property
    def queue(self) -> Queue:
        """The one that it listens to."""
        return self.queues[0]

    @property
    def stopping(self) -> bool:
        return self._stop_requested

    def stop_soon(self) -> None:
        """Take no more, as after a first signal."""
        self._stop_requested = True

    @property
    def dequeue_timeout(self) -> int:
        return BLOCK_S

    @property
    def connection_timeout(self) -> float:  # type: ignore[override]
        return BLOCKING_TIMEOUT_S

    @property
    def should_run_maintenance_tasks(self) -> bool:
        """Never here: RQ's maintenance takes a lock for 15 minutes that a killed worker does not give back."""
        return False

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        return keys.LEASE_S

    def bootstrap(self, *_: Any, **__: Any) -> None:
        """Register. No subscription to RQ's commands: jobs are canceled through the contract, workers by signals.

        Raises NameTakenError.
        """
        backoff = Backoff()
        while not self._registered():
            time.sleep(backoff.failed())
        self._install_signal_handlers()  # RQ does so after this; but who hears of the worker may stop it at once
        self._duties.registered()
        self._slog.info("worker_ready", worker=self.name, queue=self.queue.name)

    def _registered(self) -> bool:
        """True if Redis took our name. After a lost reply it has it already, from us. Raises NameTakenError."""
        try:
            if not self._is_ours():
                self.register_birth()
            self.set_state(WorkerStatus.IDLE)
        except ValueError as error:
            raise NameTakenError(str(error)) from None
        except RedisError as error:
            self._slog.warning("redis_away", error=str(error))
            return False
        return True

    def _is_ours(self) -> bool:
        """Is the record of this name the one that this process has written?"""
        if self.birth_date is None:
            return False
        redis: Any = self.connection
        return redis.hget(self.key, "birth") == utcformat(self.birth_date).encode()

    def _set_ip_address(self, connection: Redis) -> None:
        """Leave it unknown where redis-py cannot read it: it splits CLIENT INFO at spaces and `=`, which the path of a
        Unix socket may have."""
        try:
            super()._set_ip_address(connection)
        except ValueError:
            self.ip_address = "unknown"

    def unsubscribe(self) -> None:
        pass

    def check_for_suspension(self, burst: bool) -> None:
        pass  # part of taking a job, where a Redis outage does not end the worker

    def procline(self, message: str) -> None:
        pass

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Part of a pipeline, or nothing: RQ calls it around every job, and Held.beat comes anyway."""
        if pipeline is not None:
            super().heartbeat(RECORD_TTL_S, pipeline=pipeline)

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        taken = self._duties.take()
        if taken is None:
            return None
        self._taken = taken
        return taken.job, self.queue

    def execute_job(self, job: Job, queue: Queue) -> None:
        self._duties.begin(self._taken)

    def put_back(self, job_ids: Sequence[str]) -> None:
        """Jobs that were taken and not begun go to the front of the queue, in their order. Raises RedisError."""
        with self.connection.pipeline() as pipeline:
            for job_id in reversed(job_ids):
                pipeline.lrem(self.queue.intermediate_queue_key, 1, job_id)
                pipeline.lpush(self.queue.key, job_id)
            pipeline.execute()

    def request_force_stop(self, signum: int, frame: object) -> None:
        """Second signal: give back at once."""
        self.force_stop.set()

    def _shutdown(self) -> None:
        """First signal: take no more. RQ would raise from inside the signal handler, and strand a job just taken."""
        self.stop_soon()

    def teardown(self) -> None:
        self._duties.stop()
