"""Jobs as the API shows them."""

import base64
import binascii
import struct
from datetime import UTC, datetime

from pydantic import BaseModel

from app.access.callers import ANYONE
from app.errors import (
    ActiveJobError,
    BadParameterError,
    ExpiredJobError,
    OtherVersionJobError,
    UnknownJobError,
)
from app.schema.answers import (
    OPTION_FIELDS,
    Job,
    JobKind,
    JobList,
    Links,
    Webhook,
    WebhookStatus,
)
from app.schema.results import RESULTS, RESULTS_OF_SEVERAL
from app.services.fleet import Fleet, FleetWatch
from app.store import JobRead, Store
from worker.contract.jobs import JobRecord, JobStatus
from worker.contract.kind import Input, Shows
from worker.contract.kinds import ALL_KINDS
from worker.contract.record import OtherVersionError

_LOOK_AT_A_TIME = 100
_LOOK_AT_MOST = 1000
"""Most jobs that one request for a list reads, however few of them match."""


class Jobs:
    """Reads, lists, cancels and deletes jobs.

    Methods that take an `owner` treat jobs of other owners as unknown; the owner ANYONE
    sees all. All methods for one job raise UnknownJobError if there is no such job,
    ExpiredJobError if it is no longer kept, OtherVersionJobError if only a later
    version can read it, and UnreadableError if its record is damaged.
    """

    def __init__(
        self, store: Store, fleet: FleetWatch, root_path: str, full: bool
    ) -> None:
        """store: the jobs' records.
        fleet: for estimates of times.
        root_path: precedes the path of each address.
        full: whether each job has the options of all kinds, null if its own kind does
            not have one."""
        self._others = OPTION_FIELDS if full else {}
        self._store = store
        self._fleet = fleet
        self._root_path = root_path

    async def view(self, job_id: str, owner: str = ANYONE) -> Job:
        """Return a job as the API shows it."""
        read = await self._store.read(job_id)
        _record(read, owner)
        return await self.document(read)

    async def record(self, job_id: str, owner: str = ANYONE) -> JobRecord:
        """Return a job's record."""
        return _record(await self._store.read(job_id), owner)

    async def newest_seq(self, job: Job) -> int:
        """Return the number of the last entry of a job that has ended."""
        newest = await self._store.newest(job.id)
        return job.rows_done + 1 if newest is None else newest.seq

    async def document(self, read: JobRead) -> Job:
        """Return a job as the API shows it, from a record that has been read."""
        record = _record(read)
        fleet = None if record.status.is_terminal else await self._fleet.now()
        return self._job(record, read, fleet)

    async def cancel(self, job_id: str, owner: str) -> tuple[Job, bool]:
        """Ask a job to stop. Return the job, and True if it was open before."""
        await self.record(job_id, owner)
        was_active = await self._store.cancel(job_id) != "settled"
        return await self.view(job_id), was_active

    async def delete(self, job_id: str, owner: str) -> None:
        """Delete a job that has ended. Raises ActiveJobError for one that has not."""
        await self.record(job_id, owner)
        if not await self._store.delete(job_id):
            raise ActiveJobError(
                "the job has not ended: cancel it first, "
                "with POST to its address and /cancel"
            )

    async def page(
        self,
        owner: str,
        status: JobStatus | None,
        kind: str | None,
        limit: int,
        cursor: str | None,
    ) -> JobList:
        """Return up to `limit` of the owner's jobs, newest first. There may be fewer
        although others follow: only 1,000 jobs are searched.

        status, kind: only jobs with these; None for all.
        cursor: `next_cursor` of the previous page; None for the first.

        Raises BadParameterError for an invalid cursor.
        """
        place = None if cursor is None else _place(cursor)
        fleet = await self._fleet.now()
        found: list[Job] = []
        for _ in range(_LOOK_AT_MOST // _LOOK_AT_A_TIME):
            page = await self._look(owner, place)
            for (job_id, at), read in page:
                place = (at, job_id)
                if _matches(read.record, status, kind):
                    assert read.record is not None
                    found.append(self._job(read.record, read, fleet))
                    if len(found) == limit:
                        return JobList(jobs=found, next_cursor=_cursor(place))
            if len(page) < _LOOK_AT_A_TIME:
                return JobList(jobs=found, next_cursor=None)
        assert place is not None
        return JobList(jobs=found, next_cursor=_cursor(place))

    def _job(self, record: JobRecord, read: JobRead, fleet: Fleet | None) -> Job:
        spec = record.spec
        link = f"{self._root_path}/jobs/{spec.id}"
        position = None
        if record.status is JobStatus.QUEUED and read.waiting_before is not None:
            position = read.waiting_before + 1
        eta_s = None
        waits_for = None
        if fleet is not None:
            eta_s = fleet.estimates.eta_s(record, read.now, read.waiting_before)
            waits_for = fleet.waits_for(record)
        return Job(
            id=spec.id,
            kind=JobKind(spec.kind),
            model=spec.model,
            digest=spec.digest,
            identity=spec.identity or None,
            seed=spec.seed,
            first=spec.first,
            n=spec.images,
            temperature=spec.temperature,
            **self._others | spec.options.job_fields(),
            height=spec.height,
            width=spec.width,
            channels=spec.channels,
            palette=list(spec.palette) or None,
            small_height=spec.small_height,
            small_width=spec.small_width,
            rows_total=spec.rows_total,
            status=record.status,
            created_at=_at(record.created_at),
            started_at=_at_or_none(record.started_at),
            finished_at=_at_or_none(record.finished_at),
            expires_at=_at_or_none(record.expires_at),
            numerics=record.numerics,
            progress=record.progress,
            rows_done=record.rows_done,
            position=position,
            eta_s=eta_s,
            waits_for=waits_for,
            error=record.error,
            result=_result(record, link)
            if record.status is JobStatus.SUCCEEDED
            else None,
            links=Links(self=link, events=f"{link}/events", image=f"{link}/image"),
            webhook=_webhook(record),
        )

    async def _look(
        self, owner: str, place: tuple[float, str] | None
    ) -> list[tuple[tuple[str, float], JobRead]]:
        """Return the next jobs of the list. Those that are gone have no record, and are
        removed from the list."""
        until = None if place is None else place[0]
        ids = await self._store.listed(
            owner, until, _LOOK_AT_A_TIME + (place is not None)
        )
        ids = [
            (job_id, at) for job_id, at in ids if place is None or (at, job_id) < place
        ]
        reads = await self._store.records([job_id for job_id, _ in ids])
        gone = [
            job_id for (job_id, _), read in zip(ids, reads, strict=True) if read.is_gone
        ]
        await self._store.forget_listed(owner, gone)
        return list(zip(ids, reads, strict=True))


def _record(read: JobRead, owner: str = ANYONE) -> JobRecord:
    """Return the record; raise the errors that Jobs lists if there is none for this
    owner."""
    if read.unreadable is not None and owner in (ANYONE, read.unreadable.client):
        if isinstance(read.unreadable.error, OtherVersionError):
            raise OtherVersionJobError(
                "a later version of this service took the job; "
                "ask again when that one answers"
            )
        raise read.unreadable.error
    if read.record is None:
        if read.was_of(owner):
            raise ExpiredJobError(
                "the job was deleted, or its results were kept as long as promised "
                "and are gone"
            )
        raise UnknownJobError("no job has this id")
    if owner not in (ANYONE, read.record.client):
        raise UnknownJobError("no job has this id")
    return read.record


def _webhook(record: JobRecord) -> Webhook | None:
    if record.webhook_tries is None:
        return None
    return Webhook(
        status=WebhookStatus(record.webhook_over or WebhookStatus.WAITING),
        tries=record.webhook_tries,
    )


def _matches(
    record: JobRecord | None, status: JobStatus | None, kind: str | None
) -> bool:
    return (
        record is not None
        and status in (None, record.status)
        and kind in (None, record.spec.kind)
    )


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _at_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else _at(seconds)


def _result(record: JobRecord, link: str) -> BaseModel:
    """Return the result of a job that has succeeded. A job without rows has one
    picture, unless it took several. link: path of the job."""
    spec = record.spec
    kind = ALL_KINDS[spec.kind]
    is_of_several = spec.options.is_of_several
    images = [] if kind.shows is Shows.NOTHING else [f"{link}/image"]
    if kind.draws_rows or kind.input is Input.PICTURES or is_of_several:
        images = [f"{link}/image?sample={sample}" for sample in range(spec.images)]
    own = {} if record.result is None else record.result.result_fields(images, link)
    result_type = (
        f"{kind.noun}s" if is_of_several and not kind.draws_rows else kind.result_type
    )
    results = RESULTS_OF_SEVERAL if is_of_several else RESULTS
    return results[kind.word](**own, type=result_type, images=images)


def _cursor(place: tuple[float, str]) -> str:
    return (
        base64.urlsafe_b64encode(struct.pack(">d", place[0]) + place[1].encode())
        .decode()
        .rstrip("=")
    )


def _place(cursor: str) -> tuple[float, str]:
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        (at,) = struct.unpack(">d", raw[:8])
        if 0 <= at < 1e12:
            return at, raw[8:].decode("ascii")
    except (binascii.Error, struct.error, ValueError):
        pass
    raise BadParameterError("cursor: expected the `next_cursor` of an earlier answer")
