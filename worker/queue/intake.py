"""The only file that takes jobs from RQ: claim, renew, give back, and tell RQ how each ended.

RQ's own workers run one job at a time and most of them fork, which a process that holds a network must not do.
`BatchWorker` keeps RQ's queue, registries, retries and worker records, and holds many executions at once:

    queue --BLMOVE--> intermediate --begin--> started (lease) --finish--> finished | failed
                       |      ^               |         \\--give_back--> front of the queue, retries unspent
                      park  unpark            \\-- leases that are not renewed: worker.queue.recovery
                       v      |
                        parked

It overrides methods that RQ does not promise to keep; tests/worker/test_rq_contract.py watches them.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError, ResponseError
from rq.exceptions import DequeueTimeout
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue
from rq.suspension import is_suspended
from rq.timeouts import TimerDeathPenalty
from rq.worker import SimpleWorker, WorkerStatus

from worker.contract import keys
from worker.contract.jobs import JobStatus
from worker.orders.claims import Claim, Outcome, failed
from worker.orders.faults import JobRefusedError, malformed_entry
from worker.process.redis_clients import BLOCK_S, BLOCKING_TIMEOUT_S
from worker.queue.rq_job import SERIALIZER, DrawJob
from worker.queue.scripts import GRANT, PARK, RENEW, UNPARK

RECORD_TTL_S = keys.ANNOUNCE_TTL_S
"""RQ's record of a worker outlives its last heartbeat by this, so that a killed worker's name is soon free again."""

MAX_BACK_OFF_S = 1.0
PARKED_LOOK = 100
"""How many of the parked jobs are looked at, those that wait longest first."""


class NameTakenError(Exception):
    """Another live worker has this name."""


class UnreadableEntryError(Exception):
    """RQ has no record of a parked job that it could read."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id


class JobFailedError(Exception):
    """What RQ's failed registry shows as the reason."""


class BatchWorker(SimpleWorker):
    """One RQ worker with up to `max_jobs` executions under way that are not drawn yet.

    ours(job_ids) tells of each whether this worker shall begin it; the others are parked for a worker that can.
    open_job(job_id, token) begins the work and returns at once; True when there was nothing left to do. Both may raise
    RedisError. release(claim) hands the job's record back. drain() is called once, when no more jobs are taken; when it
    returns, nothing of this process writes rows any more.
    """

    death_penalty_class = TimerDeathPenalty  # callbacks may be looked for off the main thread
    job_class = DrawJob

    def __init__(
        self,
        queue: str,
        redis: Redis,
        name: str,
        max_jobs: int,
        ours: Callable[[Sequence[str]], Sequence[bool]],
        open_job: Callable[[str, str], bool],
        refuse_job: Callable[[str, Outcome], None],
        release: Callable[[Claim], bool],
        drain: Callable[[], None],
    ) -> None:
        super().__init__([queue], name=name, connection=redis, job_class=DrawJob, serializer=SERIALIZER)
        self._max_jobs = max_jobs
        self._ours = ours
        self._open_job = open_job
        self._refuse_job = refuse_job
        self._release = release
        self._drain = drain
        self._room = threading.Condition()
        self._drawn: set[str] = set()  # executions whose last rows are still to be written
        self.force_stop = threading.Event()
        self.on_registered: Callable[[], None] = lambda: None
        """Called once this worker has its name, before it takes a job."""
        self._slog = structlog.get_logger("intake")
        self._suspended = False
        self._look_again_at = 0.0
        self._parked = keys.parked(queue)
        self._look_at_parked_at = 0.0

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

    @property
    def stopping(self) -> bool:
        return self._stop_requested

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        return keys.LEASE_S

    def bootstrap(self, *_: Any, **__: Any) -> None:
        """Register. No subscription to RQ's commands: jobs are canceled through the contract, workers by signals.

        Raises NameTakenError.
        """
        try:
            self.register_birth()
        except ValueError as error:
            raise NameTakenError(str(error)) from None
        self.set_state(WorkerStatus.IDLE)
        self._install_signal_handlers()  # RQ does so after this; but who hears of the worker may stop it at once
        self.on_registered()
        self._slog.info("worker_ready", worker=self.name, queue=self.queues[0].name)

    def unsubscribe(self) -> None:
        pass

    def check_for_suspension(self, burst: bool) -> None:
        pass  # part of the dequeue loop, where a Redis outage does not end the worker

    def procline(self, message: str) -> None:
        pass

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Part of a pipeline, or nothing: RQ calls it around every job, and `beat` comes each second anyway."""
        if pipeline is not None:
            super().heartbeat(RECORD_TTL_S, pipeline=pipeline)

    # -- taking ------------------------------------------------------------------------------------------------------

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """The next job when there is room for it; None when the worker shall stop."""
        back_off_s = 0.0
        while not self._stop_requested:
            if not self._has_room():
                continue
            try:
                if found := self._take():
                    return found
                back_off_s = 0.0
            except RedisError as error:
                back_off_s = min(max(2 * back_off_s, 0.05), MAX_BACK_OFF_S)
                self._slog.warning("redis_away", error=str(error), retry_in_s=back_off_s)
                time.sleep(back_off_s)
        return None

    def _has_room(self) -> bool:
        with self._room:
            return self._room.wait_for(self._is_room, timeout=0.2)

    def _is_room(self) -> bool:
        """Jobs that are drawn and only to be written would leave the engine without work; yet they must not pile up."""
        held = len(self.executions)
        return held - len(self._drawn) < self._max_jobs and held < 2 * self._max_jobs

    def drawn(self, token: str) -> None:
        """The execution asks nothing more of the engine."""
        with self._room:
            if token in self.executions:
                self._drawn.add(token)
                self._room.notify()

    def _take(self) -> tuple[Job, Queue] | None:
        """Wait up to a second for a job. Raises RedisError."""
        if self._is_suspended():
            time.sleep(BLOCK_S)
            return None
        try:
            return self._take_parked() or self.queue_class.dequeue_any(
                self.queues,
                BLOCK_S,
                connection=self.connection,
                job_class=self.job_class,
                serializer=self.serializer,
                death_penalty_class=self.death_penalty_class,
            )
        except DequeueTimeout:
            return None
        except RedisError:
            raise
        except Exception as error:  # the edge to whoever can write to Redis: an entry that RQ itself cannot read
            self._drop_unreadable(getattr(error, "job_id", None), error)
            return None

    def _take_parked(self) -> tuple[Job, Queue] | None:
        """The first job that another worker could not do and this one can; looked for once a second."""
        if time.monotonic() < self._look_at_parked_at:
            return None
        found: Any = self.connection.zrange(self._parked, 0, PARKED_LOOK - 1)
        parked = [os.fsdecode(job_id) for job_id in found]
        for job_id in [job_id for job_id, ours in zip(parked, self._ours(parked), strict=True) if ours]:
            queue = self.queues[0]
            if self.connection.eval(UNPARK, 2, self._parked, queue.intermediate_queue_key, job_id):
                return self._fetch(job_id), queue
        self._look_at_parked_at = time.monotonic() + BLOCK_S
        return None

    def _fetch(self, job_id: str) -> Job:
        try:
            return self.job_class.fetch(job_id, connection=self.connection, serializer=self.serializer)
        except RedisError:
            raise
        except Exception as error:
            raise UnreadableEntryError(job_id) from error

    def _is_suspended(self) -> bool:
        """Whether an operator told all workers to pause; asked once a second, and not before every job."""
        if time.monotonic() >= self._look_again_at:
            self._suspended = bool(is_suspended(self.connection))
            self._look_again_at = time.monotonic() + BLOCK_S
        return self._suspended

    def _drop_unreadable(self, job_id: str | None, error: Exception) -> None:
        self._slog.error("entry_unreadable", job_id=job_id, error=repr(error))
        if job_id is not None:
            self._refuse_job(job_id, failed(malformed_entry("Its record in the queue cannot be read.")))
            self.connection.lrem(self.queues[0].intermediate_queue_key, 0, job_id)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Begin the job and return; it ends in `finish`, called from another thread."""
        assert isinstance(job, DrawJob)
        try:
            if self._stop_requested:
                self._put_back(job, queue)
            elif job.id in queue.started_job_registry:
                self._drop_duplicate(job, queue)
            elif not self._ours([job.id])[0]:
                self._park(job, queue)
            else:
                self._begin(job, queue)
        except RedisError as error:
            # What was written stands, what was not is found by the recovery: the entry or its lease lapses in seconds.
            self._slog.warning("job_not_begun", job_id=job.id, error=str(error))

    def _begin(self, job: DrawJob, queue: Queue) -> None:
        execution = self.prepare_execution(job)
        try:
            job.check_allowed()
            if self._open_job(job.id, execution.id):
                self.finish(execution.id, Outcome(JobStatus.SUCCEEDED))
        except JobRefusedError as refusal:
            self._refuse(job, execution, refusal)
        except ResponseError as error:
            self._refuse(job, execution, JobRefusedError(malformed_entry(f"Redis refused to open the job: {error}")))
        except RedisError:
            self._forget(execution)
            raise

    def _refuse(self, job: DrawJob, execution: Execution, refusal: JobRefusedError) -> None:
        self._slog.error("job_refused", job_id=job.id, reason=str(refusal))
        outcome = failed(refusal.error)
        try:
            self._refuse_job(job.id, outcome)
        except ResponseError as error:
            self._slog.error("job_record_unreadable", job_id=job.id, error=str(error))
        self.finish(execution.id, outcome)

    def prepare_execution(self, job: Job) -> Execution:
        """Take the lease, mark the job as started and clear the intermediate queue, all at once: a job is never in
        between, wherever the process dies."""
        queue = self.queues[0]
        with self.connection.pipeline() as pipeline:
            execution = Execution.create(job, keys.LEASE_S, pipeline=pipeline, worker_name=self.name)
            pipeline.eval(GRANT, 1, queue.started_job_registry.key, keys.LEASE_S, execution.composite_key)
            job.prepare_for_execution(self.name, pipeline=pipeline)
            pipeline.persist(job.key)
            pipeline.lrem(queue.intermediate_queue_key, 1, job.id)
            self.set_state(WorkerStatus.BUSY, pipeline=pipeline)
            pipeline.execute()
        self.executions[execution.id] = execution
        return execution

    def _put_back(self, job: DrawJob, queue: Queue) -> None:
        with self.connection.pipeline() as pipeline:
            pipeline.lrem(queue.intermediate_queue_key, 1, job.id)
            pipeline.lpush(queue.key, job.id)
            pipeline.execute()

    def _park(self, job: DrawJob, queue: Queue) -> None:
        self._slog.warning("job_parked", job_id=job.id)
        places = [keys.job(job.id), queue.intermediate_queue_key, self._parked]
        self.connection.eval(PARK, len(places), *places, job.id)

    def _drop_duplicate(self, job: DrawJob, queue: Queue) -> None:
        """The job is under way. Its status is set right again: a crash would lose a job that is not called started."""
        self._slog.warning("duplicate_entry_dropped", job_id=job.id)
        with self.connection.pipeline() as pipeline:
            pipeline.lrem(queue.intermediate_queue_key, 1, job.id)
            pipeline.hset(job.key, "status", "started")
            pipeline.execute()

    # -- holding -----------------------------------------------------------------------------------------------------

    def beat(self, redis: Redis) -> None:
        """Renew every lease and RQ's record of this worker. Called each second from the heartbeat thread."""
        executions = list(self.executions.values())
        registry = self.queues[0].started_job_registry
        with redis.pipeline() as pipeline:
            pipeline.hset(self.key, mapping=self.serialize())  # whole: Redis may have come back without it
            super().heartbeat(RECORD_TTL_S, pipeline=pipeline)
            self.set_state(WorkerStatus.BUSY if executions else WorkerStatus.IDLE, pipeline=pipeline)
            for execution in executions:
                execution.heartbeat(registry, keys.LEASE_S, pipeline=pipeline)
            members = [execution.composite_key for execution in executions]
            pipeline.eval(RENEW, 1, registry.key, keys.LEASE_S, *members)
            pipeline.execute()

    # -- ending ------------------------------------------------------------------------------------------------------

    def finish(self, token: str, outcome: Outcome) -> None:
        """Tell RQ how an execution ended, and make room for the next job. Raises RedisError; may be repeated."""
        execution = self.executions.get(token)
        if execution is None:
            return
        job, queue = _job(execution), self.queues[0]
        if outcome.status is None:
            with self.connection.pipeline() as pipeline:
                execution.delete(job=job, pipeline=pipeline)  # its job runs elsewhere: only the record of ours goes
                pipeline.execute()
        elif outcome.status is JobStatus.FAILED:
            job.retries_left = 0  # it would fail again
            detail = outcome.error.detail if outcome.error else ""
            error = JobFailedError(detail)
            self._finalize_failure(job, queue, execution, (JobFailedError, error, None))
        else:
            self._finalize_success(job, queue, execution, outcome.status.value)
        self._forget(execution)

    def _forget(self, execution: Execution) -> None:
        with self._room:
            self.executions.pop(execution.id, None)
            self._drawn.discard(execution.id)
            self._room.notify()

    def give_back(self) -> None:
        """Put the unfinished jobs at the front of the queue, in their order, with their retries unspent."""
        for execution in reversed(list(self.executions.values())):
            self._give_back(execution)

    def _give_back(self, execution: Execution) -> None:
        if not self._release(Claim(execution.job_id, execution.id, last_seq=0)):
            return  # lost, or ended a moment ago: the lease lapses and the recovery sees which
        job = _job(execution)
        job.started_at = None
        with self.connection.pipeline() as pipeline:
            self.cleanup_execution(job, pipeline=pipeline, execution=execution)
            self.queues[0]._enqueue_job(job, pipeline=pipeline, at_front=True)
            pipeline.execute()
        self._slog.info("job_given_back", job_id=job.id)

    # -- stopping ----------------------------------------------------------------------------------------------------

    def request_force_stop(self, signum: int, frame: object) -> None:
        """Second signal: give back at once."""
        self.force_stop.set()

    def _shutdown(self) -> None:
        """First signal: take no more. RQ would raise from inside the signal handler, and strand a job just taken."""
        self._stop_requested = True

    def teardown(self) -> None:
        self._drain()
        try:
            self.give_back()
            self.register_death()
        except RedisError as error:  # not tried again, to end in time: leases lapse, and the recovery finds the jobs
            self._slog.warning("left_to_recovery", jobs=len(self.executions), error=str(error))


def _job(execution: Execution) -> Job:
    job = execution._job
    assert job is not None  # set by Execution.create; a property of the same name would fetch it with pickle
    return job
