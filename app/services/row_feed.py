"""Events of a job: the rows drawn so far, then others as they come.

    snapshot            the Job
    row                 {sample, y, pixels}; `stage` for a small image, `cutout` for a cut-out
    progress            {rows_done, rows_total, progress} after each batch of rows
    estimate            {sample, share, mean} of a completion by particles; only the newest
    progress, picture   of a training: its progress and its grid of samples; only the newest
    done|error|canceled the ended Job: the last entry of the job's stream, and the last event
    server-stopping     instead of the end, if this process stops

The data of each repeats its name as `type` (app.schema.event_data describes all of
them). Rows are numbered, and so is the end: a reader that reconnects with the last
number it has seen misses nothing and sees nothing twice. While Redis does not respond
the reader waits, and receives empty batches.
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
"""Rows that become events together, so that a slow reader holds no more of them."""

SNAPSHOT, SERVER_STOPPING = "snapshot", "server-stopping"


class FeedEvent(NamedTuple):
    """An event of a job's stream."""

    name: str
    data: str
    """Its data as JSON."""
    seq: int | None = None
    """Its number in the job's stream; None if it is not in there."""


class RowFeed:
    """Makes events from the entries that a Follower receives. A Follower reads the
    stream of one job for one client (app.services.row_reader)."""

    def __init__(self, reader: RowReader, jobs: Jobs, ping_s: float) -> None:
        """reader: reads the streams of jobs.
        jobs: reads their records.
        ping_s: seconds after which a quiet stream yields an empty batch."""
        self._reader = reader
        self._jobs = jobs
        self._ping_s = ping_s

    def follow(
        self, job: Job, after: int, estimates: bool = False
    ) -> contextlib.AbstractContextManager[Follower]:
        """Provide a Follower of a job inside the `with` block.

        after: number of the last entry that the client has; 0 for none.
        estimates: True to receive estimates too, if the job has any.
        """
        return self._reader.follow(
            job.id, after, estimates and ALL_KINDS[job.kind].estimates != ""
        )

    async def events(
        self, job: Job, follower: Follower
    ) -> AsyncIterator[list[FeedEvent]]:
        """Yield batches of events; an empty batch if nothing came for `ping_s` seconds.

        It ends after the job's last event, or with `server-stopping` when the follower
        is ended. Raises RefusedError if the job is gone.
        """
        yield [_event(SNAPSHOT, job.model_dump_json())]
        try:
            async for batch in self._batches(job, follower):
                rows = [entry for entry in batch if not entry.is_last]
                estimates: list[FeedEvent] = []
                # With the last entry alone, an estimate would be outdated.
                if rows or not batch:
                    estimates = await self._estimates(job, follower)
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
        """Yield batches of entries. It ends as `events` does. Raises RefusedError if
        the job is gone."""
        with contextlib.suppress(_EndedUnseenError):
            async for batch in self._batches(job, follower):
                if batch:
                    yield batch
                    if batch[-1].is_last:
                        return

    async def wait(self, job: Job, seconds: float) -> bool:
        """Wait until the job has ended or `seconds` have passed, and return True.
        Return False if this process stops before. Raises RefusedError if the job is
        gone."""
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
        """Yield batches of entries; an empty one if nothing came for a while. Raises
        RefusedError and _EndedUnseenError."""
        while (batch := await follower.next(self._ping_s)) is not Pause.ENDED:
            if isinstance(batch, list):
                yield batch
            elif batch is Pause.DOUBT:
                await self._check(job, follower)
            else:
                yield []

    async def _estimates(self, job: Job, follower: Follower) -> list[FeedEvent]:
        """Return the newest estimate as an event, and the newest grid of a training, if
        they have not been sent."""
        estimate = follower.take_estimate()
        if estimate is None:
            return []
        kind = ALL_KINDS[job.kind]
        found = [_event(kind.estimates, _of_picture(estimate, job))]
        if kind.shows is not Shows.GRID:
            return found
        grids = json.loads(estimate)["grids"]
        if grids != follower.grids:
            follower.grids = grids
            with contextlib.suppress(*STORE_TROUBLE):
                grid = await self._reader.store.picture(job.id, "grid")
                if grid:
                    png = {"png": base64.b64encode(grid).decode()}
                    found.append(_event("picture", json.dumps(png)))
        return found

    async def _check(self, job: Job, follower: Follower) -> None:
        """Raise _EndedUnseenError if the job has ended and nothing is left to be read:
        the end is then reported without its entry."""
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
    """The job has ended, but its last entry comes before the number that the reader
    named."""

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
    """Return the data of a row or an estimate; for a cut-out with the index of its
    picture and of the cut-out."""
    if not job.cutouts:
        return data
    fields = json.loads(data)
    fields["sample"], fields["cutout"] = divmod(fields["sample"], len(job.cutouts))
    return json.dumps(fields, separators=(",", ":"))


def _end(job: Job, seq: int) -> FeedEvent:
    return _event(TERMINAL_EVENT[job.status], job.model_dump_json(), seq)


def _event(name: str, data: str, seq: int | None = None) -> FeedEvent:
    """Return an event whose data, a JSON object, repeats its name."""
    # Inserted as text, because there is one event for each row of each reader.
    separator = "" if data == "{}" else ","
    return FeedEvent(name, f'{{"type":"{name}"{separator}{data[1:]}', seq)


def _progress(rows_done: int, rows_total: int) -> str:
    """Return the data of a progress event. Rows are numbered from 1, so the number of
    the last row is their count."""
    return json.dumps(
        {
            "rows_done": rows_done,
            "rows_total": rows_total,
            "progress": rows_done / rows_total,
        }
    )
