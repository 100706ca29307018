"""Tells RQ how executions ended, or gives their jobs back to the queue."""

from collections.abc import Callable, Collection, Sequence

import structlog
from redis.exceptions import RedisError
from rq.executions import Execution
from rq.job import Job
from rq.utils import now

from worker.contract import keys
from worker.contract.jobs import JobStatus
from worker.orders.claims import Claim, Outcome
from worker.queue.held import Held
from worker.queue.rq_worker import RqWorker
from worker.queue.scripts import FORGET_ENTRY


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


def _job(execution: Execution) -> Job:
    job = execution._job
    assert (
        job is not None
    )  # set by Execution.create; a property of the same name would fetch it with pickle
    return job
