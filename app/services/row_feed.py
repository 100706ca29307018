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
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from enum import Enum, auto
from typing import Any, TypeVar

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from app.errors import STORE_TROUBLE, ApiError
from app.schemas import Job
from app.services.jobs import Jobs
from app.stopping import Stopping
from app.store import Entry, Store

RETRY_MS = 1000
_CANCEL_AGAIN_S = 0.05
T = TypeVar("T")


class Pause(Enum):
    """Why a tail says something though no entry came."""

    QUIET = auto()
    STOPPING = auto()


class RowFeed:
    def __init__(self, store: Store, jobs: Jobs, stopping: Stopping, ping_s: float) -> None:
        self._store = store
        self._jobs = jobs
        self._stopping = stopping
        self._ping_s = ping_s

    async def follow(self, job: Job, after: int) -> AsyncIterator[bytes]:
        """Events of a job from the entry behind `after` (0 = from the first row)."""
        yield format_sse_event(event="snapshot", data_str=job.model_dump_json(), retry=RETRY_MS)
        try:
            async with contextlib.aclosing(self._tail(job.id, after)) as tail:
                async for batch in tail:
                    async for event in self._events(job, batch):
                        yield event
        except ApiError as error:  # the job is gone: deleted, or lost with the store's data
            yield format_sse_event(event="error", data_str=error.problem().model_dump_json(exclude_none=True))

    async def wait(self, job: Job, seconds: float) -> None:
        """Return when the job has ended, when the time is up, or when this process is told to stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), contextlib.aclosing(self._tail(job.id, job.rows_done)) as tail:
                async for _ in tail:
                    pass

    async def _events(self, job: Job, batch: list[Entry] | Pause) -> AsyncIterator[bytes]:
        if batch is Pause.QUIET:
            yield KEEPALIVE_COMMENT
        elif batch is Pause.STOPPING:
            yield format_sse_event(event="server-stopping", data_str="{}", retry=RETRY_MS)
        else:
            rows = [entry for entry in batch if not entry.type.is_terminal]
            for entry in rows:
                yield format_sse_event(event=entry.type, data_str=entry.data, id=f"{entry.seq}-0")
            if rows:
                yield format_sse_event(event="progress", data_str=_progress(rows[-1].seq, job.rows_total))
            if batch[-1].type.is_terminal:
                finished = await self._insist(lambda: self._jobs.view(job.id))
                yield format_sse_event(
                    event=batch[-1].type, data_str=finished.model_dump_json(), id=f"{batch[-1].seq}-0"
                )

    async def _tail(self, job_id: str, after: int) -> AsyncGenerator[list[Entry] | Pause]:
        """Batches of entries; ends behind the terminal one, or with STOPPING. Raises ApiError when the job is gone."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        reading = asyncio.ensure_future(self._next(job_id, after))
        try:
            while True:
                await asyncio.wait({reading, stopping}, timeout=self._ping_s, return_when=asyncio.FIRST_COMPLETED)
                if stopping.done():
                    yield Pause.STOPPING
                    return
                if not reading.done():
                    yield Pause.QUIET
                    continue
                batch = reading.result()
                yield batch
                if batch[-1].type.is_terminal:
                    return
                reading = asyncio.ensure_future(self._next(job_id, batch[-1].seq))
        finally:
            _abandon(reading)
            _abandon(stopping)

    async def _next(self, job_id: str, after: int) -> list[Entry]:
        """The entries behind `after`; not empty. Raises ApiError when the job is gone."""
        while True:
            batch = await self._insist(lambda: self._store.entries_after(job_id, after))
            if batch:
                return batch
            await self._insist(lambda: self._jobs.view(job_id))

    async def _insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await ask()
            except STORE_TROUBLE:
                await asyncio.sleep(random.uniform(0.2, 1.0))


def _abandon(task: asyncio.Future[Any]) -> None:
    """Cancel until it is done: before Python 3.12 `asyncio.wait_for`, which redis-py uses, may swallow a cancel."""
    if task.done():
        if not task.cancelled():
            task.exception()  # look at it, or asyncio reports it as never retrieved
        return
    task.cancel()
    asyncio.get_running_loop().call_later(_CANCEL_AGAIN_S, _abandon, task)


def _progress(rows_done: int, rows_total: int) -> str:
    """Each row is one entry, so the number of the last one is how many there are."""
    return json.dumps({"rows_done": rows_done, "rows_total": rows_total, "progress": rows_done / rows_total})
