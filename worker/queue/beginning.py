"""Begins a job that was taken from the queue: takes the lease in RQ, claims the job's
record, and gives the work to the engine process."""

from functools import partial

import structlog
from redis.exceptions import RedisError, ResponseError
from rq.executions import Execution

from worker.contract import keys
from worker.contract.jobs import JobStatus
from worker.contract.trouble import is_store_trouble
from worker.jobs.admission import Admission
from worker.orders.claims import Claim, Outcome, failed
from worker.orders.faults import JobRefusedError, malformed_entry
from worker.queue.ending import Ending
from worker.queue.held_jobs import HeldJobs
from worker.queue.rq_job import DrawJob
from worker.queue.rq_worker import RqWorker, TakenJob
from worker.queue.scripts import DROP_DUPLICATE, PARK


class Beginning:
    """Begins taken jobs, or parks, returns or refuses them. Only the thread of RQ's
    loop uses it."""

    def __init__(
        self, rq: RqWorker, held: HeldJobs, ending: Ending, admission: Admission
    ) -> None:
        """admission: reads, opens and refuses the jobs that belong to queue entries.
        ending: ends jobs that fail here."""
        self._rq = rq
        self._held = held
        self._ending = ending
        self._admission = admission
        self._log = structlog.get_logger("intake")

    def begin(self, taken: TakenJob) -> None:
        """Begin the job and return; raises nothing. Later another thread calls
        `Ending.finish` for it.

        If the job cannot begin, its entry is put back (the worker stops), dropped (the
        job runs already), parked (this worker cannot do it) or ended as failed (it is
        invalid).
        """
        job = taken.job
        try:
            if self._rq.stopping:
                self._rq.put_back([job.id])
            elif taken.is_under_way:
                self._drop_duplicate(job)
            elif not self._admission.is_ours(taken.spec):
                self._park(job)
            else:
                self._open(job)
        except RedisError as error:
            # The recovery finds the entry or its lease.
            self._log.warning("job_not_begun", job_id=job.id, error=str(error))
        except Exception as error:
            # Other programs can write to Redis, and no entry may end this worker.
            self._log.exception("entry_unforeseen", job_id=job.id)
            reason = malformed_entry(f"It cannot be begun: {type(error).__name__}.")
            self._drop(job, JobRefusedError(reason))

    def _drop(self, job: DrawJob, refusal: JobRefusedError) -> None:
        try:
            executions = [held for held in self._held.all() if held.job_id == job.id]
            # The error may have come before or after the lease was taken.
            for execution in executions or [self._held.take(job)[0]]:
                self._refuse(job, execution, refusal)
        except RedisError as error:
            self._log.warning("job_not_begun", job_id=job.id, error=str(error))

    def _open(self, job: DrawJob) -> None:
        """Take the lease and the claim, and give the job to the engine process. If
        Redis fails, the job is not held."""
        try:
            job.check_allowed()
        except JobRefusedError as refusal:
            execution, _ = self._held.take(job)
            self._refuse(job, execution, refusal)
            return
        execution, answers = self._held.take(
            job, partial(self._admission.add_open_commands, job.id)
        )
        try:
            is_open = self._admission.open(job.id, execution.id, answers, job.deaths)
            if not is_open:
                # The job had ended before. Its entry is closed; the status counts only
                # in RQ's statistics of the worker.
                self._finish(execution, Outcome(JobStatus.SUCCEEDED))
        except RedisError as error:
            if not isinstance(error, ResponseError) or is_store_trouble(error):
                self._held.forget(execution)
                raise
            # The server works, so the job's record is at fault, such as a wrong type.
            reason = malformed_entry(f"Redis refused to open the job: {error}")
            self._refuse(job, execution, JobRefusedError(reason))

    def _refuse(
        self, job: DrawJob, execution: Execution, refusal: JobRefusedError
    ) -> None:
        """End a job as failed with the reason of the refusal. If Redis fails, the job
        is not held."""
        self._log.error("job_refused", job_id=job.id, reason=str(refusal))
        outcome = failed(refusal.error)
        try:
            self._admission.drop(job.id.encode(), outcome)
        except RedisError:
            self._held.forget(execution)
            raise
        self._finish(execution, outcome)

    def _finish(self, execution: Execution, outcome: Outcome) -> None:
        self._ending.finish(
            [(Claim(execution.job_id, execution.id, last_seq=0), outcome)]
        )

    def _park(self, job: DrawJob) -> None:
        self._log.warning("job_parked", job_id=job.id)
        queue = self._rq.queue
        places = [
            keys.job(job.id),
            queue.intermediate_queue_key,
            keys.parked_ids(queue.name),
        ]
        self._rq.connection.eval(PARK, len(places), *places, job.id)

    def _drop_duplicate(self, job: DrawJob) -> None:
        self._log.warning("duplicate_entry_dropped", job_id=job.id)
        places = [self._rq.queue.intermediate_queue_key, job.key]
        self._rq.connection.eval(DROP_DUPLICATE, len(places), *places, job.id)
