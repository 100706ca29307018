"""A job's rows, as server-sent events: those drawn so far, then the others as they come.

    snapshot            the Job; no id
    row                 {sample, y, pixels}, of a small first image also stage; id = entry of the job's stream
    progress            {rows_done, rows_total, progress} after each batch of rows; no id
    done|error|canceled the finished Job, with an id; then the server closes
    server-stopping     instead of the end, when this process leaves; no id: come back with the last one you have

Only entries of the stream carry an id, so a reader that comes back with its last one misses nothing and sees nothing
twice. Trouble with Redis is waited out: the reader gets comments meanwhile.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from app.entries import Entry
from app.errors import STORE_TROUBLE, ApiError
from app.schemas import Job
from app.services.jobs import Jobs
from app.services.row_reader import Following, Pause, RowReader
from worker.contract.events import TERMINAL_EVENT

RETRY_MS = 1000
_CHECK_S = 30.0
"""How often a silent job is looked at: it may be gone without a last entry, with all that Redis held."""


class RowFeed:
    def __init__(self, reader: RowReader, jobs: Jobs, ping_s: float) -> None:
        self._reader = reader
        self._jobs = jobs
        self._ping_s = ping_s

    def follow(self, job: Job, after: int) -> contextlib.AbstractContextManager[Following]:
        """Entries behind `after` (0 = from the first row)."""
        return self._reader.follow(job.id, after)

    async def events(self, job: Job, following: Following) -> AsyncIterator[bytes]:
        """What the following brings, as events; ends behind the last one, or when the following is ended."""
        yield format_sse_event(event="snapshot", data_str=job.model_dump_json(), retry=RETRY_MS)
        try:
            async for batch in self._batches(job, following):
                yield b"".join(_row_events(batch, job.rows_total)) if batch else KEEPALIVE_COMMENT
                if batch and batch[-1].is_last:
                    yield _end(await self._finished(job), batch[-1].seq)
                    return
        except _EndedUnseenError as ended:
            yield _end(ended.job, ended.job.rows_done + 1)
        except ApiError as error:  # the job is gone: deleted, or lost with the store's data
            yield format_sse_event(event="error", data_str=error.problem().model_dump_json(exclude_none=True))
        else:
            yield format_sse_event(event="server-stopping", data_str="{}", retry=RETRY_MS)

    async def entries(self, job: Job, following: Following) -> AsyncIterator[list[Entry]]:
        """Batches of entries, nothing else; ends as `events` does. Raises ApiError when the job is gone."""
        with contextlib.suppress(_EndedUnseenError):
            async for batch in self._batches(job, following):
                if batch:
                    yield batch
                    if batch[-1].is_last:
                        return

    async def wait(self, job: Job, seconds: float) -> None:
        """Return when the job has ended, when the time is up, or when this process is told to stop."""
        with contextlib.suppress(TimeoutError), self.follow(job, job.rows_done) as following:
            async with asyncio.timeout(seconds):
                async for _ in self.entries(job, following):
                    pass

    async def _batches(self, job: Job, following: Following) -> AsyncIterator[list[Entry]]:
        """Entries, or an empty list where nothing came for a while. Raises ApiError, _EndedUnseenError."""
        quiet_s = 0.0
        while (batch := await following.next(self._ping_s)) is not Pause.ENDED:
            if isinstance(batch, list):
                quiet_s = 0.0
                yield batch
                continue
            yield []
            quiet_s += self._ping_s
            if quiet_s >= _CHECK_S:
                quiet_s = 0.0
                await self._check(job)

    async def _check(self, job: Job) -> None:
        with contextlib.suppress(*STORE_TROUBLE):
            seen = await self._jobs.view(job.id)
            if seen.status.is_terminal:
                raise _EndedUnseenError(seen)

    async def _finished(self, job: Job) -> Job:
        while True:
            try:
                return await self._jobs.view(job.id)
            except STORE_TROUBLE:
                await asyncio.sleep(random.uniform(0.2, 1.0))


class _EndedUnseenError(Exception):
    """The job has ended, though its last entry is before the place that the reader named."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.id)
        self.job = job


def _row_events(batch: list[Entry], rows_total: int) -> list[bytes]:
    rows = [entry for entry in batch if not entry.is_last]
    events = [format_sse_event(event=entry.type, data_str=entry.data, id=f"{entry.seq}-0") for entry in rows]
    if rows:
        events.append(format_sse_event(event="progress", data_str=_progress(rows[-1].seq, rows_total)))
    return events


def _end(job: Job, seq: int) -> bytes:
    return format_sse_event(event=TERMINAL_EVENT[job.status], data_str=job.model_dump_json(), id=f"{seq}-0")


def _progress(rows_done: int, rows_total: int) -> str:
    """Each row is one entry, so the number of the last one is how many there are."""
    return json.dumps({"rows_done": rows_done, "rows_total": rows_total, "progress": rows_done / rows_total})
