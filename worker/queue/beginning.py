"""Begins a job that was taken: a lease in RQ, a claim in the job's record, and its work is under way."""

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
from worker.queue.held import Held
from worker.queue.rq_job import DrawJob
from worker.queue.rq_worker import RqWorker, Taken
from worker.queue.scripts import DROP_DUPLICATE, PARK


class Beginning:
    """`admission` knows the jobs behind the ids."""

    def __init__(
        self, rq: RqWorker, held: Held, ending: Ending, admission: Admission
    ) -> None:
        self._rq = rq
        self._held = held
        self._ending = ending
        self._admission = admission
        self._log = structlog.get_logger("intake")

    def begin(self, taken: Taken) -> None:
        """Begin the job and return; it ends in Ending.finish, called from another thread."""
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
            # What was written stands, what was not is found by the recovery: the entry or its lease lapses in seconds.
            self._log.warning("job_not_begun", job_id=job.id, error=str(error))
        except Exception as error:  # the edge to whoever can write to Redis: no entry may end this worker
            self._log.exception("entry_unforeseen", job_id=job.id)
            self._drop(
                job,
                JobRefusedError(
                    malformed_entry(f"It cannot be begun: {type(error).__name__}.")
                ),
            )

    def _drop(self, job: DrawJob, refusal: JobRefusedError) -> None:
        """Take the job off the queue and end it, whatever it is that nobody foresaw."""
        try:
            for execution in [
                held for held in self._held.all() if held.job_id == job.id
            ] or [self._held.take(job)[0]]:
                self._refuse(job, execution, refusal)
        except RedisError as error:
            self._log.warning("job_not_begun", job_id=job.id, error=str(error))

    def _open(self, job: DrawJob) -> None:
        try:
            job.check_allowed()
        except JobRefusedError as refusal:
            execution, _ = self._held.take(job)
            self._refuse(job, execution, refusal)
            return
        execution, answers = self._held.take(
            job, partial(self._admission.ask_to_open, job.id)
        )
        try:
            if not self._admission.open(job.id, execution.id, answers, job.deaths):
                self._finish(execution, Outcome(JobStatus.SUCCEEDED))
        except RedisError as error:
            if not isinstance(error, ResponseError) or is_store_trouble(error):
                self._held.forget(execution)
                raise
            self._refuse(
                job,
                execution,
                JobRefusedError(
                    malformed_entry(f"Redis refused to open the job: {error}")
                ),
            )

    def _refuse(
        self, job: DrawJob, execution: Execution, refusal: JobRefusedError
    ) -> None:
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
        """Leave it for a worker that can do it."""
        self._log.warning("job_parked", job_id=job.id)
        queue = self._rq.queue
        places = [
            keys.job(job.id),
            queue.intermediate_queue_key,
            keys.parked_ids(queue.name),
        ]
        self._rq.connection.eval(PARK, len(places), *places, job.id)

    def _drop_duplicate(self, job: DrawJob) -> None:
        """The job is under way."""
        self._log.warning("duplicate_entry_dropped", job_id=job.id)
        places = [self._rq.queue.intermediate_queue_key, job.key]
        self._rq.connection.eval(DROP_DUPLICATE, len(places), *places, job.id)
