"""Events of a job, one by one: the rows drawn so far, then the others as they come.

    snapshot            the Job
    row                 {sample, y, pixels}, of a small first image also stage, of a cut-out also its number
    progress            {rows_done, rows_total, progress} after each batch of rows
    estimate            {sample, share, mean} of a completion by particles, what is expected so far: the newest only
    progress, picture   of a training: how far it is, and its grid of samples, the newest only
    done|error|canceled the finished Job; the last entry of the job's stream, and the last event
    server-stopping     instead of the end, when this process leaves

The data of each repeats its name as `type` (app.schema.event_data has all of them).
Rows have numbers, and so has the end. A reader that comes back with the last number it has seen misses nothing and sees
nothing twice. While Redis is in trouble the reader waits, and gets empty batches meanwhile.
"""

import asyncio
import base64
import contextlib
import json
import random
from collections.abc import AsyncIterator
from typing import NamedTuple

from app.entries import Entry
from app.redis_connections import STORE_TROUBLE
from app.schema.answers import Job
from app.services.jobs import Jobs
from app.services.row_reader import Follower, Pause, RowReader
from worker.contract.events import TERMINAL_EVENT
from worker.contract.kind import Shows
from worker.contract.kinds import ALL_KINDS

_ROWS_AT_ONCE = 64
"""Rows that become events together: a reader who takes slowly holds no more of them."""

SNAPSHOT, SERVER_STOPPING = "snapshot", "server-stopping"


class FeedEvent(NamedTuple):
    """`data` is JSON; `seq` is its number in the job's stream, None where it is not in there."""

    name: str
    data: str
    seq: int | None = None


class RowFeed:
    def __init__(self, reader: RowReader, jobs: Jobs, ping_s: float) -> None:
        self._reader = reader
        self._jobs = jobs
        self._ping_s = ping_s

    def follow(
        self, job: Job, after: int, estimates: bool = False
    ) -> contextlib.AbstractContextManager[Follower]:
        """Entries behind `after` (0 = from the first row); also estimates, where the job may have some."""
        return self._reader.follow(
            job.id, after, estimates and ALL_KINDS[job.kind].estimates != ""
        )

    async def events(
        self, job: Job, follower: Follower
    ) -> AsyncIterator[list[FeedEvent]]:
        """Batches of what the follower gets; an empty one if nothing came for `ping_s` seconds. Ends behind the last
        event, or when the follower is ended. Raises RefusedError when the job is gone."""
        yield [_event(SNAPSHOT, job.model_dump_json())]
        try:
            async for batch in self._batches(job, follower):
                rows = [entry for entry in batch if not entry.is_last]
                estimates = (
                    await self._estimates(job, follower) if rows or not batch else []
                )
                if estimates or not batch:
                    yield estimates
                for first in range(0, len(rows), _ROWS_AT_ONCE):
                    yield _row_events(rows[first : first + _ROWS_AT_ONCE], job)
                if batch and batch[-1].is_last:
                    yield [_end(await self._job_after_end(job), batch[-1].seq)]
                    return
        except _EndedUnseenError as ended:
            yield [_end(ended.job, ended.seq)]
        else:
            yield [_event(SERVER_STOPPING, "{}")]

    async def entries(self, job: Job, follower: Follower) -> AsyncIterator[list[Entry]]:
        """Batches of entries, nothing else; ends as `events` does. Raises RefusedError when the job is gone."""
        with contextlib.suppress(_EndedUnseenError):
            async for batch in self._batches(job, follower):
                if batch:
                    yield batch
                    if batch[-1].is_last:
                        return

    async def wait(self, job: Job, seconds: float) -> bool:
        """Return when the job has ended, when the time is up, or, False, when this process is told to stop."""
        with (
            contextlib.suppress(TimeoutError),
            self.follow(job, job.rows_done) as follower,
        ):
            async with asyncio.timeout(seconds):
                async for _ in self.entries(job, follower):
                    pass
            return not follower.has_ended
        return True

    async def _batches(
        self, job: Job, follower: Follower
    ) -> AsyncIterator[list[Entry]]:
        """Entries, or an empty list where nothing came for a while. Raises RefusedError, _EndedUnseenError."""
        while (batch := await follower.next(self._ping_s)) is not Pause.ENDED:
            if isinstance(batch, list):
                yield batch
            elif batch is Pause.DOUBT:
                await self._check(job, follower)
            else:
                yield []

    async def _estimates(self, job: Job, follower: Follower) -> list[FeedEvent]:
        """The news of it: the newest estimate, and of a training its newest grid."""
        estimate = follower.take_estimate()
        if estimate is None:
            return []
        kind = ALL_KINDS[job.kind]
        found = [_event(kind.estimates, _of_picture(estimate, job))]
        if (
            kind.shows is Shows.GRID
            and (grids := json.loads(estimate)["grids"]) != follower.grids
        ):
            follower.grids = grids
            with contextlib.suppress(*STORE_TROUBLE):
                grid = await self._reader.store.picture(job.id, "grid")
                found += (
                    [
                        _event(
                            "picture",
                            json.dumps({"png": base64.b64encode(grid).decode()}),
                        )
                    ]
                    if grid
                    else []
                )
        return found

    async def _check(self, job: Job, follower: Follower) -> None:
        """The end is told without its entry only where nothing is left to be read once the job has ended."""
        with contextlib.suppress(*STORE_TROUBLE):
            seen = await self._jobs.view(job.id)
            if seen.status.is_terminal and not await follower.has_more():
                raise _EndedUnseenError(seen, await self._jobs.newest_seq(seen))

    async def _job_after_end(self, job: Job) -> Job:
        while True:
            try:
                return await self._jobs.view(job.id)
            except STORE_TROUBLE:
                await asyncio.sleep(random.uniform(0.2, 1.0))


class _EndedUnseenError(Exception):
    """The job has ended, though its last entry is before the place that the reader named."""

    def __init__(self, job: Job, seq: int) -> None:
        super().__init__(job.id)
        self.job = job
        self.seq = seq


def _row_events(rows: list[Entry], job: Job) -> list[FeedEvent]:
    progress = _event("progress", _progress(rows[-1].seq, job.rows_total))
    return [
        *(
            _event(entry.type, _of_picture(entry.data, job), entry.seq)
            for entry in rows
        ),
        progress,
    ]


def _of_picture(data: str, job: Job) -> str:
    """The data of a row or an estimate; of a cut-out with the picture and the cut-out that it is of."""
    if not job.cutouts:
        return data
    told = json.loads(data)
    told["sample"], told["cutout"] = divmod(told["sample"], len(job.cutouts))
    return json.dumps(told, separators=(",", ":"))


def _end(job: Job, seq: int) -> FeedEvent:
    return _event(TERMINAL_EVENT[job.status], job.model_dump_json(), seq)


def _event(name: str, data: str, seq: int | None = None) -> FeedEvent:
    """An event whose data, a JSON object, repeats its name: put in as text, because there is one for each row of each
    reader."""
    separator = "" if data == "{}" else ","
    return FeedEvent(name, f'{{"type":"{name}"{separator}{data[1:]}', seq)


def _progress(rows_done: int, rows_total: int) -> str:
    """Rows are counted from 1, so the number of the last one is how many there are."""
    return json.dumps(
        {
            "rows_done": rows_done,
            "rows_total": rows_total,
            "progress": rows_done / rows_total,
        }
    )
