"""What became of a job, as the API shows it."""

from datetime import UTC, datetime

from app.errors import ExpiredJobError, UnknownJobError
from app.schemas import Job, JobResult, Links, ScoreResult
from app.store import JobRead, Store
from worker.contract.jobs import JobRecord, JobStatus


class Jobs:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def view(self, job_id: str) -> Job:
        """Raises ExpiredJobError for an id that was known once, UnknownJobError for any other."""
        return view(await self._store.read(job_id))

    async def cancel_or_delete(self, job_id: str) -> Job | None:
        """The job, if it was active and was asked to stop; None, if it had ended and is now deleted."""
        await self.view(job_id)
        if await self._store.cancel(job_id) == "settled":
            await self._store.delete(job_id)
            return None
        return await self.view(job_id)


def view(read: JobRead) -> Job:
    if read.record is None:
        if read.was:
            raise ExpiredJobError("the job was deleted, or its results were kept as long as promised and are gone")
        raise UnknownJobError("no job has this id")
    return _job(read.record, read)


def _job(record: JobRecord, read: JobRead) -> Job:
    spec = record.spec
    queued = record.status is JobStatus.QUEUED
    return Job(
        **spec.model_dump(include={"id", "kind", "model", "digest", "seed", "n", "temperature", "filled_pixels"}),
        **spec.model_dump(include={"height", "width", "channels", "small_height", "small_width"}),
        rows_total=spec.rows_total,
        status=record.status,
        created_at=_at(record.created_at),
        started_at=_at_or_none(record.started_at),
        finished_at=_at_or_none(record.finished_at),
        expires_at=_at_or_none(record.expires_at),
        progress=_progress(record),
        rows_done=record.rows_done,
        position=read.index + 1 if queued and read.index is not None else None,
        eta_s=_eta_s(record, read.now),
        error=record.error,
        result=_result(record) if record.status is JobStatus.SUCCEEDED else None,
        links=Links(self=f"/jobs/{spec.id}", events=f"/jobs/{spec.id}/events", image=f"/jobs/{spec.id}/image"),
    )


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _at_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else _at(seconds)


def _progress(record: JobRecord) -> float:
    """Of a score all or nothing: it has no rows."""
    if record.spec.rows_total == 0:
        return float(record.status is JobStatus.SUCCEEDED)
    return record.rows_done / record.spec.rows_total


def _result(record: JobRecord) -> ScoreResult | JobResult:
    link = f"/jobs/{record.spec.id}"
    if record.result is not None:
        return ScoreResult(**record.result.model_dump(), images=[f"{link}/image"], map=f"{link}/score-map")
    return JobResult(images=[f"{link}/image?sample={sample}" for sample in range(record.spec.n)])


def _eta_s(record: JobRecord, now: float) -> float | None:
    """Rows that are left, at this job's own pace so far."""
    if record.status is not JobStatus.RUNNING or record.started_at is None or record.rows_done == 0:
        return None
    seconds_per_row = max(now - record.started_at, 0.0) / record.rows_done
    return round(seconds_per_row * (record.spec.rows_total - record.rows_done), 3)
