"""Tells RQ how executions ended, or gives their jobs back to the queue."""

from collections.abc import Callable

import structlog
from redis.exceptions import RedisError
from rq.executions import Execution
from rq.job import Job

from worker.contract.jobs import JobStatus
from worker.orders.claims import Claim, Outcome
from worker.queue.held import Held
from worker.queue.rq_worker import RqWorker


class JobFailedError(Exception):
    """What RQ's failed registry shows as the reason."""


class Ending:
    """release(claim) hands the job's own record back; False when it is not ours any more."""

    def __init__(self, rq: RqWorker, held: Held, release: Callable[[Claim], bool]) -> None:
        self._rq = rq
        self._held = held
        self._release = release
        self._log = structlog.get_logger("intake")

    def finish(self, token: str, outcome: Outcome) -> None:
        """Tell RQ how an execution ended, and make room for the next job. Raises RedisError; may be repeated."""
        execution = self._held.get(token)
        if execution is None:
            return
        job, rq = _job(execution), self._rq
        if outcome.goes_on:
            self._give_back(execution)
        elif outcome.status is None:
            with rq.connection.pipeline() as pipeline:
                execution.delete(job=job, pipeline=pipeline)  # its job runs elsewhere: only the record of ours goes
                pipeline.execute()
        elif outcome.status is JobStatus.FAILED:
            job.retries_left = 0  # it would fail again
            detail = outcome.error.detail if outcome.error else ""
            rq._finalize_failure(job, rq.queue, execution, (JobFailedError, JobFailedError(detail), None))
        else:
            rq._finalize_success(job, rq.queue, execution, outcome.status.value)
        self._held.forget(execution)

    def give_all_back(self) -> None:
        """Put the unfinished jobs at the front of the queue, in their order, with their retries unspent, and take this
        worker's record away."""
        try:
            for execution in reversed(self._held.all()):
                self._give_back(execution)
            self._rq.register_death()
        except RedisError as error:  # not tried again, to end in time: leases lapse, and the recovery finds the jobs
            self._log.warning("left_to_recovery", jobs=len(self._held), error=str(error))

    def _give_back(self, execution: Execution) -> None:
        if not self._release(Claim(execution.job_id, execution.id, last_seq=0)):
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
    assert job is not None  # set by Execution.create; a property of the same name would fetch it with pickle
    return job
