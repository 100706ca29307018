"""Reports to RQ how executions ended, or returns their jobs to the queue.

`Finisher` is a thread that calls `Ending.finish`, so that RQ's round trips delay no
rows.
"""

import queue
from collections.abc import Callable, Collection, Sequence

import structlog
from redis.exceptions import RedisError
from rq.executions import Execution
from rq.job import Job
from rq.utils import now

from worker.contract import keys
from worker.contract.jobs import JobStatus
from worker.orders.claims import Claim, Outcome
from worker.process.backoff import Backoff
from worker.process.turn_thread import TurnThread
from worker.queue.held_jobs import HeldJobs
from worker.queue.rq_worker import RqWorker
from worker.queue.scripts import FORGET_ENTRY

AT_ONCE = 16
"""Most outcomes that are written in one call."""


class Ending:
    """Ends executions, the runs of jobs on this worker, in RQ's records."""

    def __init__(
        self, rq: RqWorker, held: HeldJobs, release: Callable[..., bool]
    ) -> None:
        """release(claim): returns a job's own record to the queue and returns True, or
        False if this worker no longer owns the job or it has ended. With a second
        argument False, the attempt does not count."""
        self._rq = rq
        self._held = held
        self._release = release
        self._log = structlog.get_logger("intake")

    def finish(self, ended: Sequence[tuple[Claim, Outcome]]) -> None:
        """End these executions and make room for other jobs. The call may be repeated:
        claims that are not held are ignored.

        A job without a final status is returned to the queue if its outcome says so
        (`returns_to_queue`); otherwise another worker has it.
        """
        closed = []
        left = []
        for claim, outcome in ended:
            execution = self._held.get(claim.token)
            if execution is None:
                continue  # a repeated call has dealt with it before
            if outcome.status is None:
                left.append((execution, outcome))
            else:
                closed.append((execution, outcome.status))

        self._close(closed)
        for execution, _ in closed:
            self._held.forget(execution)
        for execution, outcome in left:
            self._leave(execution, outcome)
            self._held.forget(execution)

    def _leave(self, execution: Execution, outcome: Outcome) -> None:
        if outcome.returns_to_queue:
            self._give_back(execution)
        else:
            with self._rq.connection.pipeline() as pipeline:
                execution.delete(job=_job(execution), pipeline=pipeline)
                pipeline.execute()

    def _close(self, ended: Sequence[tuple[Execution, JobStatus]]) -> None:
        """Count ended jobs in RQ's statistics and delete RQ's records of them, in one
        round trip."""
        if not ended:
            return
        rq = self._rq
        with rq.connection.pipeline() as pipeline:
            for execution, status in ended:
                job = _job(execution)
                if status is JobStatus.FAILED:
                    rq.increment_failed_job_count(pipeline)
                else:
                    rq.increment_successful_job_count(pipeline=pipeline)
                rq.increment_total_working_time(
                    now() - (job.started_at or now()), pipeline
                )
                execution.delete(job=job, pipeline=pipeline)
                # RQ would keep three times as much memory for an hour.
                pipeline.eval(FORGET_ENTRY, 2, keys.job(job.id), job.key)
            pipeline.execute()

    def give_all_back(self, but: Collection[str] = (), counted: bool = True) -> None:
        """Return all unfinished jobs to the front of the queue, in their order, with
        their retries unspent, and delete RQ's record of this worker. Raises nothing.

        but: tokens of claims that are not returned, because this worker dies of their
            jobs; their leases expire, which counts as a death.
        counted: whether this attempt counts for the jobs.
        """
        try:
            for execution in reversed(self._held.all()):
                if execution.id not in but:
                    self._give_back(execution, counted)
            self._rq.register_death()
        except RedisError as error:
            # Not tried again, to end in time: the leases expire, and the recovery finds
            # the jobs.
            self._log.warning(
                "left_to_recovery", jobs=len(self._held), error=str(error)
            )

    def _give_back(self, execution: Execution, counted: bool = True) -> None:
        claim = Claim(execution.job_id, execution.id, last_seq=0)
        released = self._release(claim) if counted else self._release(claim, False)
        if not released:
            # Another worker owns the job, or it has just ended. The lease expires, and
            # the recovery finds out which.
            return
        job = _job(execution)
        job.started_at = None
        with self._rq.connection.pipeline() as pipeline:
            self._rq.cleanup_execution(job, pipeline=pipeline, execution=execution)
            self._rq.queue._enqueue_job(job, pipeline=pipeline, at_front=True)
            pipeline.execute()
        self._log.info("job_given_back", job_id=job.id)


class Finisher:
    """A thread that calls `finish` with closed claims and their outcomes, a few at a
    time, and repeats the call until Redis responds. After any other error their leases
    expire, and the recovery finds their jobs."""

    def __init__(
        self, finish: Callable[[Sequence[tuple[Claim, Outcome]]], None]
    ) -> None:
        """finish: writes outcomes and may be repeated. `start` starts the thread."""
        self._finish = finish
        self._closed: queue.SimpleQueue[tuple[Claim, Outcome] | None] = (
            queue.SimpleQueue()
        )
        self._pending: list[tuple[Claim, Outcome]] = []
        self._stops = False
        self._backoff = Backoff()
        self._loop = TurnThread("finisher", self._turn)
        self.start = self._loop.start
        self._log = structlog.get_logger("finisher")

    def put(self, claim: Claim, outcome: Outcome) -> None:
        """Queue a closed claim to be written soon. Any thread may call it."""
        self._closed.put((claim, outcome))

    def stop(self, timeout_s: float) -> None:
        """Write the outcomes that are queued, for at most `timeout_s` seconds, and end
        the thread."""
        self._closed.put(None)
        self._loop.join(timeout_s)
        self._loop.stop()

    def _turn(self) -> float | None:
        self._fetch()
        if not self._pending:
            return None
        try:
            if not self._try():
                return self._backoff.failed()
        except Exception:
            # Repeating would fail again and block all others; their leases expire.
            self._pending = []
            raise
        self._backoff.succeeded()
        self._pending = []
        return 0.0

    def _fetch(self) -> None:
        """Wait for a closed claim unless some are pending, then take others without
        waiting."""
        while (
            not self._stops
            and len(self._pending) < AT_ONCE
            and (not self._pending or not self._closed.empty())
        ):
            closed = self._closed.get()
            if closed is None:  # `stop` puts it behind the last one
                self._stops = True
            else:
                self._pending.append(closed)

    def _try(self) -> bool:
        try:
            self._finish(self._pending)
        except RedisError as error:
            self._log.warning("redis_away", jobs=len(self._pending), error=str(error))
            return False
        return True


def _job(execution: Execution) -> Job:
    # Execution.create sets `_job`. The property `job` would fetch it with pickle.
    job = execution._job
    assert job is not None
    return job
