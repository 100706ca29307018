"""From a checked request to a queued job, or to the reason why it is not taken."""

import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Any

from app.clients import Client
from app.errors import (
    BadParameterError,
    NoWorkerError,
    QueueFullError,
    ReusedKeyError,
    StoreFullError,
    TooManyOpenJobsError,
    TooManyRequestsError,
)
from app.imaging.given import GivenPixels
from app.metrics import Metrics
from app.queue_entry import queue_key
from app.schemas import CompleteForm, FieldError, Job, Model, SampleRequest, ScoreForm, UpsampleForm
from app.services.fleet import FleetWatch
from app.services.jobs import Jobs
from app.settings import Settings
from app.store import JobRead, Store
from worker.contract.jobs import MAX_SEED, JobKind, JobRecord, JobSpec, JobStatus, Pixel, Priority
from worker.contract.submission import Gate, Verdict

_ID_BYTES = 16
"""128 random bits: an id cannot be guessed, and never comes twice."""

_NOTHING_TO_DRAW = {"seed": 0, "n": 1, "temperature": 1.0}


@dataclass(frozen=True)
class Wish:
    """One POST that draws: who wants it, and what makes it the same as another."""

    client: Client
    request_id: str
    key: str = ""
    """Digest of its `Idempotency-Key`; empty without one."""
    body: str = ""
    """Digest of what is asked for, as read: a form's boundary does not count."""


@dataclass(frozen=True)
class Submitted:
    job: Job
    again: bool = False
    """The job was there before, under the same `Idempotency-Key`."""


def body_digest(kind: JobKind, fields: dict[str, Any], *files: bytes) -> str:
    text = json.dumps([kind, fields, [hashlib.sha256(data).hexdigest() for data in files]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Submission:
    """The model must do the kind of work: `Models.find_for`."""

    def __init__(self, settings: Settings, store: Store, jobs: Jobs, fleet: FleetWatch, metrics: Metrics) -> None:
        self._settings = settings
        self._store = store
        self._jobs = jobs
        self._fleet = fleet
        self._metrics = metrics

    async def known(self, wish: Wish) -> Submitted | None:
        """The job that this wish stands for already. Raises ReusedKeyError."""
        if not wish.key:
            return None
        found = await self._store.promised(wish.client.account, wish.key)
        if found is None:
            return None
        if found[1] != wish.body:
            raise _reused()
        return Submitted(await self._jobs.view(found[0]), again=True)

    async def expect_room(self) -> None:
        """A look before anything costly is done: StoreFullError, QueueFullError, NoWorkerError."""
        fleet = await self._fleet.now()
        if fleet.redis_limit and fleet.redis_used > self._settings.redis_share * fleet.redis_limit:
            self._metrics.rejected("store-full")
            raise StoreFullError("Redis has nearly no memory left; finished jobs make room as they expire")
        if fleet.pace.load.queue >= self._settings.queue_jobs and fleet.workers:
            raise await self._full(0)

    async def sample(self, wish: Wish, request: SampleRequest, model: Model) -> Submitted:
        spec = _spec(JobKind.SAMPLE, model, wish, **_drawing(request))
        return await self._accept(wish, spec)

    async def complete(self, wish: Wish, form: CompleteForm, model: Model, given: GivenPixels) -> Submitted:
        fields = _drawing(form) | {"filled_pixels": given.filled, "rank": form.rank}
        spec = _spec(JobKind.COMPLETE, model, wish, **fields)
        return await self._accept(wish, spec, given.pixels, given.keep)

    async def upsample(self, wish: Wish, form: UpsampleForm, model: Model, small: bytes) -> Submitted:
        spec = _spec(JobKind.UPSAMPLE, model, wish, **_drawing(form))
        return await self._accept(wish, spec, small)

    async def score(self, wish: Wish, form: ScoreForm, model: Model, picture: bytes) -> Submitted:
        """Raises BadParameterError for a pixel that the image does not have."""
        spec = _spec(JobKind.SCORE, model, wish, pixel=_pixel(form, model), **_NOTHING_TO_DRAW)
        return await self._accept(wish, spec, picture)

    async def _accept(self, wish: Wish, spec: JobSpec, pixels: bytes | None = None, keep: bytes = b"") -> Submitted:
        high = spec.priority is Priority.INTERACTIVE
        queue = (await self._fleet.now()).queue_for(spec.model, spec.digest)
        verdict, facts = await self._store.submit(self._gate(wish, queue), spec, pixels, keep, queue, high)
        if verdict is Verdict.ACCEPTED:
            return Submitted(await self._shown(spec, wish, facts, high))
        if verdict is Verdict.AGAIN:
            return Submitted(await self._jobs.view(_text(facts[0])), again=True)
        raise await self._refusal(verdict, facts, spec.work)

    def _gate(self, wish: Wish, queue: str) -> Gate:
        settings = self._settings
        return Gate(
            client=wish.client.account,
            owner=wish.client.owner,
            rate=settings.client_rate,
            burst=max(1, int(2 * settings.client_rate)),
            client_jobs=settings.client_jobs,
            queue=queue_key(queue),
            queue_jobs=settings.queue_jobs,
            queue_work=settings.queue_work,
            idempotency=wish.key,
            body=wish.body,
        )

    async def _shown(self, spec: JobSpec, wish: Wish, facts: list[bytes | int], high: bool) -> Job:
        """The job just accepted, without a second question to Redis."""
        created_at, waiting, ahead = float(_text(facts[0])), int(facts[1]), int(_text(facts[2]))
        record = JobRecord(
            spec=spec, status=JobStatus.QUEUED, created_at=created_at, client=wish.client.owner, ahead=ahead
        )
        index = 0 if high else max(0, waiting - 1)
        return await self._jobs.shown(JobRead(record, index, was=False, now=created_at))

    async def _refusal(self, verdict: Verdict, facts: list[bytes | int], work: int) -> Exception:
        self._metrics.rejected(verdict.value)
        if verdict is Verdict.CONFLICT:
            return _reused()
        if verdict is Verdict.TOO_FAST:
            wait_s = max(1, -int(-float(_text(facts[0])) // 1))
            detail = f"this client may hand in {self._settings.client_rate:g} jobs a second"
            return TooManyRequestsError(detail, retry_after_s=wait_s)
        if verdict is Verdict.TOO_MANY:
            fleet = await self._fleet.now()
            detail = f"this client has {int(facts[0])} open jobs; it may have {self._settings.client_jobs}"
            return TooManyOpenJobsError(detail, retry_after_s=fleet.pace.retry_s(_mean_work(fleet.pace.load)))
        return await self._full(work)

    async def _full(self, work: int) -> QueueFullError | NoWorkerError:
        """Room comes when a job ends, or when so much is drawn that this one fits."""
        self._metrics.rejected("queue-full")
        fleet = await self._fleet.now()
        if not fleet.workers:
            return NoWorkerError("the queue is full, and no worker is there to draw")
        load = fleet.pace.load
        excess = max(_mean_work(load), load.work + work - self._settings.queue_work)
        detail = f"{load.queue} jobs wait, {load.work} values are to be drawn; try again when some are done"
        return QueueFullError(detail, retry_after_s=fleet.pace.retry_s(excess))


def _mean_work(load: Any) -> float:
    return load.work / max(1, load.open_jobs)


def _reused() -> ReusedKeyError:
    return ReusedKeyError("this Idempotency-Key came with another request before; use a new one for each")


def _text(fact: bytes | int) -> str:
    return fact.decode() if isinstance(fact, bytes) else str(fact)


def _drawing(request: SampleRequest | CompleteForm | UpsampleForm) -> dict[str, Any]:
    seed = secrets.randbelow(MAX_SEED + 1) if request.seed is None else request.seed
    return {"seed": seed, "n": request.n, "temperature": request.temperature, "priority": request.priority}


def _pixel(form: ScoreForm, model: Model) -> Pixel | None:
    """The pixel that is asked about; None = none. Raises BadParameterError."""
    if form.x is None and form.y is None:
        return None
    for name, place, size in (("x", form.x, model.width), ("y", form.y, model.height)):
        if place is None or place >= size:
            detail = f"{name}: expected 0 to {size - 1}, together with the other coordinate"
            raise BadParameterError(detail, [FieldError(pointer=f"#/{name}", detail=detail)])
    assert form.x is not None
    assert form.y is not None
    return Pixel(x=form.x, y=form.y)


def _spec(kind: JobKind, model: Model, wish: Wish, **fields: Any) -> JobSpec:
    return JobSpec(
        id=secrets.token_urlsafe(_ID_BYTES),
        kind=kind,
        model=model.name,
        digest=model.digest,
        height=model.height,
        width=model.width,
        channels=model.channels,
        small_height=model.small_height,
        small_width=model.small_width,
        request_id=wish.request_id,
        **fields,
    )
