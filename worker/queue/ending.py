"""Tell RQ how executions ended, or give their jobs back to the queue.

`Finisher` is the thread that calls `Ending.finish`, so that RQ's round trips delay no
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
from worker.queue.held import Held
from worker.queue.rq_worker import RqWorker
from worker.queue.scripts import FORGET_ENTRY

AT_ONCE = 16
"""Ends that are written in one call, at most."""


class Ending:
    """release(claim) hands the job's own record back; False when it is not ours any
    more. With counted=False the attempt does not count."""

    def __init__(self, rq: RqWorker, held: Held, release: Callable[..., bool]) -> None:
        self._rq = rq
        self._held = held
        self._release = release
        self._log = structlog.get_logger("intake")

    def finish(self, ended: Sequence[tuple[Claim, Outcome]]) -> None:
        """Tell RQ that executions are over, and make room for other jobs: those whose jobs ended in one round trip.
        Raises RedisError; may be repeated."""
        known = [
            (execution, outcome)
            for claim, outcome in ended
            if (execution := self._held.get(claim.token))
        ]
        over = [
            (execution, outcome.status)
            for execution, outcome in known
            if outcome.status is not None
        ]
        self._close(over)
        for execution, _ in over:
            self._held.forget(execution)
        for execution, outcome in known:
            if outcome.status is None:
                self._leave(execution, outcome)
                self._held.forget(execution)

    def _leave(self, execution: Execution, outcome: Outcome) -> None:
        """Its job has not ended: it goes back, or runs elsewhere, and only the record of ours goes."""
        if outcome.goes_on:
            self._give_back(execution)
        else:
            with self._rq.connection.pipeline() as pipeline:
                execution.delete(job=_job(execution), pipeline=pipeline)
                pipeline.execute()

    def _close(self, ended: Sequence[tuple[Execution, JobStatus]]) -> None:
        """RQ counts them and keeps nothing: all that is known of a job that has ended stands in the job's own record,
        and RQ would keep three times as much for an hour."""
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
                pipeline.eval(FORGET_ENTRY, 2, keys.job(job.id), job.key)
            pipeline.execute()

    def give_all_back(self, but: Collection[str] = (), counted: bool = True) -> None:
        """Put the unfinished jobs at the front of the queue, in their order, with their retries unspent, and take this
        worker's record away. `but`: tokens of those that it dies of; their leases lapse, which counts as a death.
        counted: whether these attempts count as the jobs' own."""
        try:
            for execution in reversed(self._held.all()):
                if execution.id not in but:
                    self._give_back(execution, counted)
            self._rq.register_death()
        except RedisError as error:  # not tried again, to end in time: leases lapse, and the recovery finds the jobs
            self._log.warning(
                "left_to_recovery", jobs=len(self._held), error=str(error)
            )

    def _give_back(self, execution: Execution, counted: bool = True) -> None:
        claim = Claim(execution.job_id, execution.id, last_seq=0)
        released = self._release(claim) if counted else self._release(claim, False)
        if not released:
            return  # lost, or ended a moment ago: the lease lapses and the recovery sees which
        job = _job(execution)
        job.started_at = None
        with self._rq.connection.pipeline() as pipeline:
            self._rq.cleanup_execution(job, pipeline=pipeline, execution=execution)
            self._rq.queue._enqueue_job(job, pipeline=pipeline, at_front=True)
            pipeline.execute()
        self._log.info("job_given_back", job_id=job.id)


class Finisher:
    """A thread that calls `finish` with closed claims and their outcomes, a few at a
    time, and repeats a call until Redis responds."""

    def __init__(
        self, finish: Callable[[Sequence[tuple[Claim, Outcome]]], None]
    ) -> None:
        self._finish = finish
        self._closed: queue.SimpleQueue[tuple[Claim, Outcome] | None] = (
            queue.SimpleQueue()
        )
        self._at_hand: list[tuple[Claim, Outcome]] = []
        self._stops = False
        self._backoff = Backoff()
        self._loop = TurnThread("finisher", self._turn)
        self.start = self._loop.start
        self._log = structlog.get_logger("finisher")

    def put(self, claim: Claim, outcome: Outcome) -> None:
        """Have a closed claim and its outcome written soon. Any thread may call it."""
        self._closed.put((claim, outcome))

    def stop(self, timeout_s: float) -> None:
        """Write the waiting outcomes, as many as are written within `timeout_s` seconds."""
        self._closed.put(None)
        self._loop.join(timeout_s)
        self._loop.stop()

    def _turn(self) -> float | None:
        """Write a few outcomes. Return the seconds until the next turn, longer after each
        failure; None at the end."""
        self._fetch()
        if not self._at_hand:
            return None
        try:
            if not self._try():
                return self._backoff.failed()
        except Exception:
            self._at_hand = []  # their leases lapse
            raise
        self._backoff.succeeded()
        self._at_hand = []
        return 0.0

    def _fetch(self) -> None:
        """Wait for a closed claim unless there are some, and take the others that wait.
        `stop` puts None behind the last one."""
        while (
            not self._stops
            and len(self._at_hand) < AT_ONCE
            and (not self._at_hand or not self._closed.empty())
        ):
            closed = self._closed.get()
            if closed is None:
                self._stops = True
            else:
                self._at_hand.append(closed)

    def _try(self) -> bool:
        """Return False if Redis does not respond."""
        try:
            self._finish(self._at_hand)
        except RedisError as error:
            self._log.warning("redis_away", jobs=len(self._at_hand), error=str(error))
            return False
        return True


def _job(execution: Execution) -> Job:
    job = execution._job
    assert (
        job is not None
    )  # set by Execution.create; a property of the same name would fetch it with pickle
    return job
