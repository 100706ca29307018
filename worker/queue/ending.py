"""Tells RQ how executions ended, or gives their jobs back to the queue."""

from collections.abc import Callable, Collection, Mapping, Sequence

import structlog
from redis.exceptions import RedisError
from rq.executions import Execution
from rq.job import Job
from rq.utils import now

from worker.contract.jobs import JobStatus
from worker.orders.claims import Claim, Outcome
from worker.queue.held import Held
from worker.queue.rq_worker import RqWorker

SUCCESSES: Mapping[JobStatus | None, str] = {
    status: status.value for status in (JobStatus.SUCCEEDED, JobStatus.CANCELED)
}
"""Ends that RQ calls a success, and the result that it keeps: it has no word for what was canceled while it ran."""


class JobFailedError(Exception):
    """The reason that RQ's failed registry shows."""


class Ending:
    """release(claim) hands the job's own record back; False when it is not ours any more."""

    def __init__(self, rq: RqWorker, held: Held, release: Callable[[Claim], bool]) -> None:
        self._rq = rq
        self._held = held
        self._release = release
        self._log = structlog.get_logger("intake")

    def finish(self, ended: Sequence[tuple[Claim, Outcome]]) -> None:
        """Tell RQ how executions ended, and make room for other jobs: those that went well in one round trip. Raises
        RedisError; may be repeated."""
        known = [(execution, outcome) for claim, outcome in ended if (execution := self._held.get(claim.token))]
        went_well = [(execution, word) for execution, outcome in known if (word := SUCCESSES.get(outcome.status))]
        self._succeed(went_well)
        for execution, _ in went_well:
            self._held.forget(execution)
        for execution, outcome in known:
            if outcome.status not in SUCCESSES:
                self._fail(execution, outcome)
                self._held.forget(execution)

    def _fail(self, execution: Execution, outcome: Outcome) -> None:
        job, rq = _job(execution), self._rq
        if outcome.goes_on:
            self._give_back(execution)
        elif outcome.status is None:
            with rq.connection.pipeline() as pipeline:
                execution.delete(job=job, pipeline=pipeline)  # its job runs elsewhere: only the record of ours goes
                pipeline.execute()
        else:
            job.retries_left = 0  # it would fail again
            detail = outcome.error.detail if outcome.error else ""
            rq._finalize_failure(job, rq.queue, execution, (JobFailedError, JobFailedError(detail), None))

    def _succeed(self, ended: Sequence[tuple[Execution, str]]) -> None:
        """Write what RQ writes at such an end, less what our jobs do not have: callbacks, dependents, repeats, rate
        limits. For these RQ asks Redis three times before it writes."""
        if not ended:
            return
        rq = self._rq
        with rq.connection.pipeline() as pipeline:
            for execution, result in ended:
                job = _job(execution)
                job.ended_at = now()
                job._result = result
                rq.increment_successful_job_count(pipeline=pipeline)
                rq.increment_total_working_time(job.ended_at - (job.started_at or job.ended_at), pipeline)
                kept_s = job.get_result_ttl(rq.default_result_ttl)
                times = {"execution_started_at": execution.created_at, "execution_ended_at": job.ended_at}
                job._handle_success(kept_s, pipeline, worker_name=rq.name, execution_id=execution.id, **times)
                job.cleanup(kept_s, pipeline=pipeline, remove_from_queue=False)
                rq.cleanup_execution(job, pipeline=pipeline, execution=execution)
            pipeline.execute()

    def give_all_back(self, but: Collection[str] = ()) -> None:
        """Put the unfinished jobs at the front of the queue, in their order, with their retries unspent, and take this
        worker's record away. `but`: tokens of those that it dies of; their leases lapse, which counts as a death."""
        try:
            for execution in reversed(self._held.all()):
                if execution.id not in but:
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
