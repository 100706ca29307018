"""Turns a checked request into a queued job, or raises the reason why it is not
accepted."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from app.access.callers import Caller
from app.errors import (
    BadParameterError,
    ClosedError,
    NoWorkerError,
    QueueFullError,
    RefusedError,
    ReusedKeyError,
    StoreFullError,
    TooManyOpenJobsError,
    TooManyRequestsError,
)
from app.imaging.given import GivenPixels
from app.queue_entry import queue_key
from app.quotas import Quota
from app.redis_connections import STORE_TROUBLE
from app.schema.answers import Job, Model
from app.services.fleet import Fleet, FleetWatch
from app.services.jobs import Jobs
from app.settings import Settings
from app.store import JobRead, Store
from worker.contract import keys
from worker.contract.jobs import JobRecord, JobSpec, JobStatus
from worker.contract.options import Options
from worker.contract.submission import Allowance, SubmissionAnswer, SubmissionTerms

_NO_MEMORY = (
    "Redis has memory for the accepted jobs only; "
    "finished ones make room as they expire"
)
_CLOSED = "the operator has stopped new jobs; those that are open will end"


@dataclass(frozen=True)
class JobRequest:
    """A request that makes a job, apart from the job itself (`JobSpec`)."""

    caller: Caller
    request_id: str
    """Id of the request, for logs."""
    traceparent: str = ""
    """The request as part of a trace; empty without one."""
    key: str = ""
    """Digest of its `Idempotency-Key`; empty without one."""
    body: str = ""
    """Digest of its parsed content; a form's boundary does not matter."""
    retention: int = keys.RESULT_TTL_S
    """Seconds for which results are kept after the job's end."""
    webhook: str = ""
    """Address that is called when the job ends; empty for none."""


@dataclass(frozen=True)
class Submitted:
    """The result of a submission."""

    job: Job
    again: bool = False
    """True if an earlier request with the same `Idempotency-Key` made the job."""
    quotas: tuple[Quota, ...] = ()
    """The rest of the caller's allowances, if they were read."""


def repetition_of(
    key: str | None, kind: str, fields: Mapping[str, Any], files: Iterable[bytes]
) -> tuple[str, str]:
    """Return `key` and `body` of a JobRequest: digests of the `Idempotency-Key` and of
    the request's content. Both are empty if `key` is None.

    kind, fields, files: the content.
    """
    if key is None:
        return "", ""
    text = json.dumps(
        [kind, fields, [hashlib.sha256(data).hexdigest() for data in files]],
        sort_keys=True,
    )
    return _sha256(key), _sha256(text)


def _quotas(allowance: Allowance, tokens: float, open_jobs: float) -> tuple[Quota, ...]:
    """Return the quotas of an allowance.

    tokens: jobs that the client may submit now.
    """
    rate, burst, most = allowance.rate, allowance.burst, allowance.client_jobs
    window_s = math.ceil(burst / rate)
    back_in_s = max(0, math.ceil((burst - tokens) / rate))
    return (
        Quota("jobs", burst, min(burst, int(tokens)), window_s, back_in_s),
        Quota(
            "open-jobs", most, max(0, most - int(open_jobs)), unit="concurrent-requests"
        ),
    )


class Submission:
    """Checks requests against the limits of caller, queue and memory, and queues their
    jobs."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        jobs: Jobs,
        fleet: FleetWatch,
        rejected: Callable[[str], None],
    ) -> None:
        """settings: with the limits.
        rejected: called with the reason of each refusal, for metrics."""
        self._settings = settings
        self._store = store
        self._jobs = jobs
        self._fleet = fleet
        self._rejected = rejected

    async def earlier_job(self, request: JobRequest) -> Submitted | None:
        """Return the job that an earlier request with the same `Idempotency-Key` made,
        or None. Raises ReusedKeyError if that request had another content."""
        if not request.key:
            return None
        found = await self._store.promised(request.caller.account, request.key)
        if found is None:
            return None
        if found[1] != request.body:
            raise _reused_key_error()
        return Submitted(await self._jobs.view(found[0]), again=True)

    def checked_retention(self, asked_s: int | None) -> int:
        """Return the seconds for which a job's results are kept: those asked for, or
        the default. Raises BadParameterError if they exceed the limit."""
        longest = self._settings.retention_s
        if asked_s is not None and asked_s > longest:
            raise BadParameterError(
                f"retention: expected {longest} seconds at most", field="retention"
            )
        return longest if asked_s is None else asked_s

    def with_size(self, model: Model, n: int, options: Options) -> Model:
        """Return the model with the size of the n pictures of a job. Raises
        BadParameterError if larger pictures than the model's have too many pixels
        together."""
        height, width = options.shape(model)
        if (height, width) == (model.height, model.width):
            return model
        most = self._settings.field_pixels
        pixels = n * height * width
        if pixels > most:
            raise BadParameterError(
                f"size: expected at most {most} pixels, all images together, "
                f"not {pixels}",
                field="size",
            )
        return model.model_copy(update={"height": height, "width": width})

    async def expect_allowance(self, request: JobRequest) -> None:
        """Check the caller's allowance before anything costly is done. Raises
        TooManyRequestsError or TooManyOpenJobsError."""
        allowance = self._allowance(request.caller)
        if (refused := await self._store.beyond_allowance(allowance)) is not None:
            raise await self._refusal(*refused, 0, allowance)

    async def count_refused(self, request: JobRequest) -> None:
        """Charge the caller's allowance for a refused request: reading its pictures
        costs as much as if it had been accepted. Errors of the store are ignored."""
        with suppress(*STORE_TROUBLE):  # the refusal says what is wrong
            await self._store.spend(self._allowance(request.caller))

    async def expect_room(self) -> None:
        """Check memory and queues before anything costly is done. Raises ClosedError,
        StoreFullError, and QueueFullError if the queue of every live worker is full:
        which one the job would wait in is not known yet."""
        fleet = await self._fleet.now()
        self._expect_open(fleet)
        if fleet.is_full(self._settings.redis_share):
            raise self._no_memory()
        depths = fleet.depths_of_workers()
        if depths and min(depths) >= self._settings.queue_jobs:
            raise await self._full(0)

    async def refusal(self, fleet: Fleet) -> str:
        """Return why no job of any client is accepted now, as a sentence: what Redis
        says if it takes no writes, or that its memory is used up. Empty if jobs are
        accepted."""
        refused = await self._store.refusal()
        if not refused and fleet.is_full(self._settings.redis_share):
            return _NO_MEMORY
        return refused or (_CLOSED if fleet.load.closed else "")

    def _expect_open(self, fleet: Fleet) -> None:
        if fleet.load.closed:
            self._rejected("closed")
            raise ClosedError(_CLOSED)

    async def any_queue(self) -> str:
        """Return the name of the queue of some known worker, or of the default one."""
        workers = (await self._fleet.now()).known
        return next((worker.queue for worker in workers), keys.QUEUE)

    async def submit(
        self,
        request: JobRequest,
        spec: JobSpec,
        given: GivenPixels | None = None,
        queue: str | None = None,
    ) -> Submitted:
        """Accept the job of a request, and queue it.

        given: the job's input.
        queue: name of its queue; None for one whose workers can do the job.

        Raises RefusedError if the job is not accepted.
        """
        fleet = await self._fleet.now()
        self._expect_open(fleet)
        if queue is None:
            queue = fleet.queue_for(spec)
        allowance = self._allowance(request.caller)
        terms = self._terms(request, allowance, queue, fleet)
        answer, facts = await self._store.submit(terms, spec, given, queue)
        if answer is SubmissionAnswer.ACCEPTED:
            quotas: tuple[Quota, ...] = ()
            # A repeated call with the same id has no allowance in its answer.
            if len(facts) > 3:
                tokens, open_jobs = map(_number, facts[3:5])
                quotas = _quotas(allowance, tokens, open_jobs)
            job = await self._accepted_job(spec, request.caller.owner, facts)
            return Submitted(job, quotas=quotas)
        if answer is SubmissionAnswer.AGAIN:
            return Submitted(await self._jobs.view(_text(facts[0])), again=True)
        raise await self._refusal(answer, facts, spec.work, allowance)

    def _allowance(self, caller: Caller) -> Allowance:
        """Return the allowance of the caller's key, or else the default one."""
        rate = caller.rate or self._settings.client_rate
        jobs = caller.jobs or self._settings.client_jobs
        return Allowance(
            client=caller.account,
            rate=rate,
            burst=max(1, int(2 * rate)),
            client_jobs=jobs,
        )

    def _terms(
        self, request: JobRequest, allowance: Allowance, queue: str, fleet: Fleet
    ) -> SubmissionTerms:
        settings = self._settings
        return SubmissionTerms(
            **allowance.model_dump(),
            owner=request.caller.owner,
            queue=queue_key(queue),
            queue_jobs=settings.queue_jobs,
            queue_work=settings.queue_work,
            memory=fleet.memory_for_jobs(settings.redis_share),
            written=fleet.load.written,
            idempotency=request.key,
            body=request.body,
            retention=request.retention,
            webhook=request.webhook,
            asleep_s=settings.asleep_s if fleet.is_asleep(queue) else 0,
        )

    async def _accepted_job(
        self, spec: JobSpec, owner: str, facts: list[bytes | int]
    ) -> Job:
        """Return the job that was just accepted, without another question to Redis."""
        created_at = float(_text(facts[0]))
        waiting_before = int(facts[1])
        ahead = int(_text(facts[2]))
        record = JobRecord(
            spec=spec,
            status=JobStatus.QUEUED,
            created_at=created_at,
            client=owner,
            ahead=ahead,
        )
        return await self._jobs.document(
            JobRead(record, waiting_before, tombstone=None, now=created_at)
        )

    async def _refusal(
        self,
        answer: SubmissionAnswer,
        facts: list[bytes | int],
        work: int,
        allowance: Allowance,
    ) -> RefusedError:
        if answer is SubmissionAnswer.NO_MEMORY:
            return self._no_memory()
        if answer is SubmissionAnswer.OVER_SHARE:
            return self._over_share(int(facts[0]))
        self._rejected(answer.value)
        if answer is SubmissionAnswer.CONFLICT:
            return _reused_key_error()
        if answer is SubmissionAnswer.TOO_FAST:
            seconds, tokens, open_jobs = map(_number, facts)
            detail = f"this client may hand in {allowance.rate:g} jobs a second"
            quotas = _quotas(allowance, tokens, open_jobs)
            return TooManyRequestsError(
                detail, retry_after_s=max(1, math.ceil(seconds)), quotas=quotas
            )
        if answer is SubmissionAnswer.TOO_MANY:
            fleet = await self._fleet.now()
            open_jobs, tokens = map(_number, facts)
            is_training = allowance.client.startswith(keys.TRAINS)
            things = "trainings" if is_training else "jobs"
            detail = (
                f"this client has {open_jobs:g} open {things}; "
                f"it may have {allowance.client_jobs}"
            )
            retry_s = fleet.estimates.retry_s(fleet.load.mean_work)
            return TooManyOpenJobsError(
                detail,
                retry_after_s=retry_s,
                quotas=_quotas(allowance, tokens, open_jobs),
            )
        return await self._full(work)

    def _no_memory(self) -> StoreFullError:
        self._rejected("store-full")
        return StoreFullError(_NO_MEMORY)

    def _over_share(self, held: int) -> StoreFullError:
        self._rejected("store-full")
        return StoreFullError(
            f"the jobs of this client take {held / 2**20:.1f} MiB of Redis, its share of"
            " what is free: delete some that have ended, or ask for a shorter retention"
        )

    async def _full(self, work: int) -> QueueFullError | NoWorkerError:
        """Return the error for a full queue. There is room when a job ends, or when so
        much is drawn that this job fits."""
        self._rejected("queue-full")
        fleet = await self._fleet.now()
        if not fleet.known:
            return NoWorkerError("the queue is full, and no worker is there to draw")
        load = fleet.load
        excess = max(load.mean_work, load.work + work - self._settings.queue_work)
        detail = (
            f"{load.queue} jobs wait, {load.work} values are to be drawn; "
            "try again when some are done"
        )
        return QueueFullError(detail, retry_after_s=fleet.estimates.retry_s(excess))


def _reused_key_error() -> ReusedKeyError:
    return ReusedKeyError(
        "this Idempotency-Key came with another request before; use a new one for each"
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _number(fact: bytes | int) -> float:
    return float(_text(fact))


def _text(fact: bytes | int) -> str:
    return fact.decode() if isinstance(fact, bytes) else str(fact)
