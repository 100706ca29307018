"""Reads the streams of jobs for all readers of this process.

A few connections (shards) each read the streams of many jobs, and pass each batch to
its followers. Entries that a follower has not taken wait in a bounded queue; if that is
full, or the follower comes late, it catches up from the stream itself. Entries are
numbered 1, 2, 3, ..., so that gaps and repetitions are noticed, whichever way entries
came.
"""

import asyncio
import contextlib
import random
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import structlog

from app.entries import Entry, entries_of, streams_of
from app.redis_connections import READ_BLOCK_S, STORE_TROUBLE, RawConnection, packed
from app.store import BATCH, Store
from worker.contract import keys

_log = structlog.get_logger("pixelrnn.api")
SHARDS = 16
"""Number of connections that read streams."""
_PENDING = 1024
"""Most entries that wait for one follower."""
_PAUSE_PER_JOB_S = 0.0002
"""Seconds by which each job of a shard lengthens the pause between two reads."""
_MAX_PAUSE_S = 0.02
"""Longest pause between two reads: a shard with many jobs gathers entries for a moment,
because a read costs as much as it has jobs."""
_POKE_EVERY_S = 0.003
"""Seconds between two attempts to end a blocking read early."""
_LOOK_EVERY_S = 2.5
"""Seconds between two checks whether the jobs of a shard are still open. Together with
a read that waits in vain, lost data is noticed within five seconds."""
_XREAD = packed("XREAD", "COUNT", BATCH, "BLOCK", int(READ_BLOCK_S * 1000), "STREAMS")
_XREAD_WORDS = 6


class Pause(Enum):
    """Why `Follower.next` returns without entries."""

    QUIET = auto()
    """Nothing came for as long as was asked."""
    DOUBT = auto()
    """The job has ended or is gone, perhaps without a last entry that could be read."""
    ENDED = auto()
    """This process stops, or the reader has left."""


class Follower:
    """Reads one job's stream for one client. `last` is the number of the last entry
    that it took. Only `RowReader.follow` makes it.

    A client calls `next`; the other methods but `end`, `take_estimate` and `has_more`
    are called by the connection that reads the stream.
    """

    def __init__(
        self, reader: "RowReader", job_id: str, after: int, wants_estimates: bool
    ) -> None:
        """reader: the reader of this process.
        after: number of the last entry that the client has; 0 for none.
        wants_estimates: True to receive estimates too."""
        self._reader = reader
        self._job_id = job_id
        self.last = after
        self.wants_estimates = wants_estimates
        self._estimate: str | None = None
        self.grids = 0
        """Number of a training's grids that its client has received."""
        self._pending: deque[Entry] = deque()
        self._behind = True
        self._joined = False
        self.has_ended = False
        self._doubted = False
        self._news = asyncio.Event()

    def end(self) -> None:
        """End this follower: `next` returns Pause.ENDED from now on."""
        self.has_ended = True
        self._news.set()

    def offer(self, entries: list[Entry]) -> None:
        """Queue entries that were read. If they do not fit, all queued ones are
        dropped, and `next` reads them from the stream."""
        if len(self._pending) + len(entries) > _PENDING:
            self._pending.clear()
            self._behind = True
        else:
            self._pending.extend(entries)
        self._news.set()

    def offer_estimate(self, estimate: str) -> None:
        """Queue an estimate, in place of an older one that was not taken."""
        self._estimate = estimate
        self._news.set()

    def take_estimate(self) -> str | None:
        """Return the newest estimate (JSON), or None if there is none since the last
        call."""
        newest = self._estimate
        self._estimate = None
        return newest

    def fall_behind(self) -> None:
        """Note that entries were read which this follower did not receive: `next` reads
        them from the stream."""
        self._behind = True
        self._news.set()

    def doubt(self) -> None:
        """Note that nothing more may come: the job has ended or is gone. `next` returns
        Pause.DOUBT once it has read the stream."""
        self._doubted = True
        self.fall_behind()

    async def has_more(self) -> bool:
        """Return True if the stream has entries after the last one that was taken."""
        self.fall_behind()
        return bool(await self._reader.store.entries_after(self._job_id, self.last))

    async def next(self, quiet_s: float) -> list[Entry] | Pause:
        """Return the next entries, in order, each once; an empty list if there is only
        an estimate; or a Pause. Errors of Redis are waited out.

        quiet_s: seconds to wait for something.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + quiet_s
        while not self.has_ended:
            try:
                batch = await self._take()
                if batch or self._estimate is not None:
                    return batch
                if self._doubted:
                    self._doubted = False
                    return Pause.DOUBT
                await self._wait_for_news(deadline - clock())
            except STORE_TROUBLE:
                self._behind = True
                await asyncio.sleep(random.uniform(0.2, 1.0))
            if clock() >= deadline and not self._pending and not self.has_ended:
                return Pause.QUIET
        return Pause.ENDED

    async def _take(self) -> list[Entry]:
        self._news.clear()
        if self._behind:
            return await self._catch_up()
        fresh = [entry for entry in self._pending if entry.seq > self.last]
        self._pending.clear()
        if fresh and fresh[0].seq != self.last + 1:
            self._behind = True
            return await self._catch_up()
        return self._advance(fresh)

    async def _catch_up(self) -> list[Entry]:
        self._behind = False
        self._pending.clear()
        batch = await self._reader.store.entries_after(self._job_id, self.last)
        self._advance(batch)
        if len(batch) >= BATCH:
            self._behind = True
        elif not self._joined and not (batch and batch[-1].is_last):
            self._joined = True
            self._reader.join(self._job_id, self)
        return batch

    def _advance(self, batch: list[Entry]) -> list[Entry]:
        if batch:
            self.last = batch[-1].seq
        return batch

    async def _wait_for_news(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._news.wait()


class RowReader:
    """All followers of this process, and the connections (shards) that read for
    them."""

    def __init__(self, store: Store, url: str, shards: int = SHARDS) -> None:
        """store: reads streams for followers that catch up.
        url: address of Redis.
        shards: number of connections."""
        self.store = store
        self._shards = [_Shard(store, url) for _ in range(shards)]
        self._followers: set[Follower] = set()
        self._stopped = False

    @property
    def readers(self) -> int:
        """Number of followers."""
        return len(self._followers)

    @contextlib.contextmanager
    def follow(
        self, job_id: str, after: int, estimates: bool = False
    ) -> Iterator[Follower]:
        """Provide a Follower of a job inside the `with` block.

        after: number of the last entry that the client has; 0 for none.
        estimates: True to receive estimates too.
        """
        follower = Follower(self, job_id, after, estimates)
        self._followers.add(follower)
        if self._stopped:
            follower.end()
        try:
            yield follower
        finally:
            self._followers.discard(follower)
            self._shard(job_id).leave(job_id, follower)

    def join(self, job_id: str, follower: Follower) -> None:
        """Let the job's shard read for this follower, which has read everything that
        was in the stream. Called by the follower."""
        self._shard(job_id).join(job_id, follower)

    def stop(self) -> None:
        """End every follower, and those that begin later."""
        self._stopped = True
        for follower in list(self._followers):
            follower.end()

    async def close(self) -> None:
        """End the tasks of all shards and close their connections."""
        for shard in self._shards:
            await shard.close()

    def _shard(self, job_id: str) -> "_Shard":
        return self._shards[zlib.crc32(job_id.encode()) % len(self._shards)]


@dataclass
class _Watch:
    """One stream that a shard reads, and its followers. The words of the command are
    kept, because a shard may have many streams."""

    job_id: str
    seq: int
    followers: set[Follower] = field(default_factory=set)
    has_estimates: bool = False
    """True if a follower wants estimates."""
    estimate: str | None = None
    """The newest estimate, for followers that come later."""

    def __post_init__(self) -> None:
        self.name = keys.events(self.job_id).encode()
        self.name_word = packed(self.name)
        self.estimate_name = keys.estimate(self.job_id).encode()
        self.estimate_words = packed(self.estimate_name), packed("0")
        self.move(self.seq)

    def move(self, seq: int) -> None:
        self.seq = seq
        self.place_word = packed(f"{seq}-0")

    def note_estimate(self, raw: list[Any]) -> None:
        """Keep the newest of a stream's entries, and offer it to the followers."""
        entry_id, (_, estimate) = raw[-1]
        self.estimate_words = packed(self.estimate_name), packed(entry_id)
        self.estimate = newest = estimate.decode()
        for follower in self.followers:
            if follower.wants_estimates:
                follower.offer_estimate(newest)


class _Shard:
    """One connection, and a task that reads while there is anything to read."""

    def __init__(self, store: Store, url: str) -> None:
        self._store = store
        self._connection = RawConnection(url)
        self._watches: dict[str, _Watch] = {}
        self._reads = 0
        self._read_wanted = 0
        self._look_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._poker: asyncio.Task[None] | None = None

    def join(self, job_id: str, follower: Follower) -> None:
        watch = self._watches.get(job_id)
        if watch is None:
            watch = self._watches[job_id] = _Watch(job_id, follower.last)
            self._poke()
        elif watch.seq > follower.last:
            # Entries may have been read since this follower caught up. Or the others
            # name one that does not exist yet: with their place alone, the rows before
            # it would never be read. Followers skip entries that they have.
            watch.move(follower.last)
            self._poke()
        watch.followers.add(follower)
        if follower.wants_estimates:
            self._join_estimates(watch, follower)

    def _join_estimates(self, watch: _Watch, follower: Follower) -> None:
        if watch.estimate is not None:
            follower.offer_estimate(watch.estimate)
        if not watch.has_estimates:
            watch.has_estimates = True
            self._poke()

    def leave(self, job_id: str, follower: Follower) -> None:
        watch = self._watches.get(job_id)
        if watch is not None:
            watch.followers.discard(follower)
            if not watch.followers:
                del self._watches[job_id]

    async def close(self) -> None:
        for task in (self._task, self._poker):
            while task is not None and not task.done():
                # Repeated until it is done: before Python 3.12 `asyncio.wait_for`,
                # which redis-py uses, may swallow a cancellation.
                task.cancel()
                await asyncio.wait({task}, timeout=0.05)
        await self._connection.close()

    def _poke(self) -> None:
        """Make sure that a read begins which includes the new job; the running read
        only waits for the others."""
        self._read_wanted = self._reads + 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read_on())
            self._task.add_done_callback(self._note_bug)
        elif self._poker is None or self._poker.done():
            self._poker = asyncio.create_task(self._poke_until_read())

    def _note_bug(self, task: asyncio.Task[None]) -> None:
        """After an unexpected error, end all followers of this shard, which would wait
        for ever: their clients reconnect."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("reader failed", exc_info=error)
            for watch in self._watches.values():
                for follower in watch.followers:
                    follower.end()
            self._watches.clear()

    async def _poke_until_read(self) -> None:
        while (
            self._reads < self._read_wanted
            and self._task is not None
            and not self._task.done()
        ):
            with contextlib.suppress(*STORE_TROUBLE):
                if self._connection.client_id is not None:
                    await self._store.unblock(self._connection.client_id)
            await asyncio.sleep(_POKE_EVERY_S)

    async def _read_on(self) -> None:
        while self._watches:
            try:
                await self._read()
                await self._look()
            except STORE_TROUBLE:
                self._look_at = 0.0  # Redis may come back with an older state
                await asyncio.sleep(random.uniform(0.1, 0.5))

    async def _look(self) -> None:
        """Inform followers whose job has ended or is gone, perhaps without an entry
        that could be read."""
        clock = asyncio.get_running_loop().time
        if clock() < self._look_at:
            return
        for job_id in await self._store.not_open(list(self._watches)):
            if watch := self._watches.get(job_id):
                for follower in watch.followers:
                    follower.doubt()
        self._look_at = clock() + _LOOK_EVERY_S

    async def _read(self) -> None:
        watches = list(self._watches.values())
        streams = [(watch.name_word, watch.place_word) for watch in watches]
        streams += [watch.estimate_words for watch in watches if watch.has_estimates]
        head = b"*%d\r\n" % (_XREAD_WORDS + 2 * len(streams)) + _XREAD
        names, places = zip(*streams, strict=True)
        self._reads += 1
        answer = await self._connection.ask(b"".join((head, *names, *places)))
        by_name: dict[bytes, _Watch] = {}
        estimated: dict[bytes, _Watch] = {}
        if answer:
            by_name = {watch.name: watch for watch in watches}
            estimated = {
                watch.estimate_name: watch for watch in watches if watch.has_estimates
            }
        for name, raw in streams_of(answer):
            if name in estimated:
                estimated[name].note_estimate(raw)
            else:
                self._hand_out(by_name[name], entries_of(raw))
        await asyncio.sleep(min(_MAX_PAUSE_S, len(watches) * _PAUSE_PER_JOB_S))

    def _hand_out(self, watch: _Watch, entries: list[Entry]) -> None:
        watch.move(entries[-1].seq)
        for follower in watch.followers:
            follower.offer(entries)
        if entries[-1].is_last and self._watches.get(watch.job_id) is watch:
            del self._watches[watch.job_id]
            for follower in watch.followers:
                if follower.last >= entries[-1].seq:
                    # It skips the end, which comes before the number that its client
                    # has named, and nothing is read for it from now on.
                    follower.doubt()
