r"""RQ's worker, whose loop calls the methods of a `Duties` object: take a job, begin
it, stop.

RQ's own workers run one job at a time and most of them fork, which a process that holds
a network must not do. `RqWorker` keeps RQ's queue, registries, retries and worker
records, and lets many executions run at once:

    queue --BLMOVE--> intermediate --begin--> started (lease) --finish--> finished | failed
                       |      ^               |         \--give_back--> front of the queue, retries unspent
                      park  unpark            \-- leases that are not renewed: recovery.py
                       v      |
                        parked
    taking.py       beginning.py            held_jobs.py       ending.py

It overrides methods that RQ does not promise to keep;
tests/worker/queue/test_rq_contract.py checks that they exist.
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
from rq.worker_registration import register

from worker.contract import keys
from worker.process.backoff import Backoff
from worker.process.redis_clients import BLOCK_S, BLOCKING_TIMEOUT_S
from worker.queue.rq_job import SERIALIZER, DrawJob

RECORD_TTL_S = keys.ANNOUNCE_TTL_S
"""Seconds for which RQ's record of a worker outlives its last heartbeat; short, so that
a killed worker's name is soon free again."""


class NameTakenError(Exception):
    """Another live worker has this name."""


@dataclass(frozen=True)
class TakenJob:
    """A job whose entry was taken from the queue, with what Redis said about it at that
    moment."""

    job: DrawJob
    """The queue entry."""
    spec: bytes | None
    """JSON of the job's JobSpec; None if the job has ended, shall be canceled, is gone,
    or never was one."""
    is_under_way: bool
    """True if a worker holds a lease of the job, so that this entry is a second one."""


class Duties(Protocol):
    """What RqWorker's loop calls, in the loop's thread. No method raises an error."""

    def on_registered(self) -> None:
        """Called once when the worker has its name, before it takes its first job."""
        ...

    def take(self) -> TakenJob | None:
        """Return the next job as soon as there is one and room for it, or None if the
        worker shall stop."""
        ...

    def begin(self, taken: TakenJob) -> None:
        """Begin the taken job without waiting for it."""
        ...

    def stop(self) -> None:
        """Called when no more jobs are taken. When it returns, this process must not
        write rows of images to Redis any more."""
        ...


class RqWorker(SimpleWorker):
    """RQ's worker for one queue, with its name, record, registries and signal handlers.

    Methods that are not listed by RQ's documentation are overrides of its internals.
    """

    # RQ's default uses signals, which work only in the main thread.
    death_penalty_class = TimerDeathPenalty
    job_class = DrawJob

    def __init__(self, queue: str, redis: Redis, name: str) -> None:
        """redis: a client that allows blocking commands.
        name: unique among live workers."""
        super().__init__(
            [queue],
            name=name,
            connection=redis,
            job_class=DrawJob,
            serializer=SERIALIZER,
        )
        self._duties: Duties
        self._taken: TakenJob
        self.force_stop = threading.Event()
        self._slog = structlog.get_logger("intake")

    def carry_out(self, duties: Duties) -> None:
        """Register the worker, then take and begin jobs until a signal or `stop_soon`
        ends the loop.

        Raises NameTakenError if another live worker has the name.
        """
        self._duties = duties
        self.work()

    @property
    def queue(self) -> Queue:
        """The only queue of this worker."""
        return self.queues[0]

    @property
    def stopping(self) -> bool:
        """True once the worker shall take no more jobs."""
        return self._stop_requested

    def stop_soon(self) -> None:
        """Take no more jobs, as after a first signal."""
        self._stop_requested = True

    @property
    def dequeue_timeout(self) -> int:
        """Seconds for which a blocking command waits on the server."""
        return BLOCK_S

    @property
    def connection_timeout(self) -> float:  # type: ignore[override]
        """Seconds after which an unanswered command to Redis fails."""
        return BLOCKING_TIMEOUT_S

    @property
    def should_run_maintenance_tasks(self) -> bool:
        """False: RQ's maintenance takes a lock for 15 minutes that a killed worker does
        not release."""
        return False

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Return the seconds for which a lease of a job is valid."""
        return keys.LEASE_S

    def bootstrap(self, *_: Any, **__: Any) -> None:
        """Register the worker, waiting for Redis if necessary, and install the signal
        handlers. RQ's commands are not subscribed to: jobs are canceled through the
        contract, and workers by signals."""
        backoff = Backoff()
        while not self._try_to_register():
            time.sleep(backoff.failed())
        # RQ installs them after this call, but from now on a supervisor may stop us.
        self._install_signal_handlers()
        self._duties.on_registered()
        self._slog.info("worker_ready", worker=self.name, queue=self.queue.name)

    def _try_to_register(self) -> bool:
        """Register under our name; return False if Redis does not respond."""
        try:
            # It is ours already if the reply of an earlier try was lost.
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
        if self.birth_date is None:
            return False
        redis: Any = self.connection
        return redis.hget(self.key, "birth") == utcformat(self.birth_date).encode()

    def _set_ip_address(self, connection: Redis) -> None:
        try:
            super()._set_ip_address(connection)
        except ValueError:
            # redis-py splits CLIENT INFO at spaces and `=`, which the path of a Unix
            # socket may contain.
            self.ip_address = "unknown"

    def unsubscribe(self) -> None:
        """Do nothing: there is no subscription."""

    def check_for_suspension(self, burst: bool) -> None:
        """Do nothing: taking a job checks it, where an outage of Redis does not end the
        worker."""

    def procline(self, message: str) -> None:
        """Do nothing: the process keeps its title."""

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Add a heartbeat to the pipeline. Without one do nothing: RQ calls this around
        every job, and HeldJobs.beat comes anyway."""
        if pipeline is not None:
            super().heartbeat(RECORD_TTL_S, pipeline=pipeline)
            # After a pause the record had expired, and the recovery removed the name.
            register(self, pipeline)

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Return the next job and its queue, or None if the worker shall stop."""
        taken = self._duties.take()
        if taken is None:
            return None
        self._taken = taken
        return taken.job, self.queue

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Begin the job that was taken last, without waiting for it."""
        self._duties.begin(self._taken)

    def put_back(self, job_ids: Sequence[str]) -> None:
        """Move jobs that were taken and not begun to the front of the queue, in their
        order."""
        with self.connection.pipeline() as pipeline:
            for job_id in reversed(job_ids):
                pipeline.lrem(self.queue.intermediate_queue_key, 1, job_id)
                pipeline.lpush(self.queue.key, job_id)
            pipeline.execute()

    def request_force_stop(self, signum: int, frame: object) -> None:
        """Set `force_stop`, after a second signal: jobs are then returned at once."""
        self.force_stop.set()

    def _shutdown(self) -> None:
        # After a first signal. RQ would raise an error from the signal handler, and lose a
        # job that was just taken.
        self.stop_soon()

    def teardown(self) -> None:
        self._duties.stop()
