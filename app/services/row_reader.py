"""The rows of all jobs that anybody follows, over few connections: one a shard, whatever the number of readers.

    Reader.follow(job, after) -> Follower -- next() --> entries | QUIET | ENDED

A shard waits in one XREAD over the streams of its jobs and hands each batch to those who follow. What a follower has
not taken waits in a bounded queue; when that is full, or when it comes late, it catches up from the stream by itself.
Entries count 1, 2, 3, ..., so that a gap or a repetition is seen, whatever way they came.
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
_PENDING = 1024
"""Rows that wait for one follower."""
_PAUSE_PER_JOB_S = 0.0002
_MAX_PAUSE_S = 0.02
"""A shard with many jobs gathers rows for a moment: one read costs as much as it has jobs."""
_POKE_EVERY_S = 0.003
_LOOK_EVERY_S = 2.5
"""How often the jobs that a shard waits for are looked at, between two reads: with a read that waits in vain, lost data
is noticed within five seconds."""
_XREAD = packed("XREAD", "COUNT", BATCH, "BLOCK", int(READ_BLOCK_S * 1000), "STREAMS")
_XREAD_WORDS = 6


class Pause(Enum):
    """Why `next` returns though no entry came."""

    QUIET = auto()
    """Nothing came for as long as was asked."""
    DOUBT = auto()
    """The job has ended or is gone, and perhaps without a last entry that would come."""
    ENDED = auto()
    """This process stops, or the reader has left."""


class Follower:
    """One reader of one job, at the entry `last`."""

    def __init__(
        self, reader: "RowReader", job_id: str, after: int, wants_estimates: bool
    ) -> None:
        self._reader = reader
        self._job_id = job_id
        self.last = after
        self.wants_estimates = wants_estimates
        self._estimate: str | None = None
        self.grids = 0
        """How many grids of a training its reader knows of."""
        self._pending: deque[Entry] = deque()
        self._behind = True
        self._joined = False
        self.has_ended = False
        self._doubted = False
        self._news = asyncio.Event()

    def end(self) -> None:
        self.has_ended = True
        self._news.set()

    def offer(self, entries: list[Entry]) -> None:
        """Take entries from the shard. Those that do not fit are dropped: they are still in the stream."""
        if len(self._pending) + len(entries) > _PENDING:
            self._pending.clear()
            self._behind = True
        else:
            self._pending.extend(entries)
        self._news.set()

    def offer_estimate(self, estimate: str) -> None:
        """It takes the place of one that was not taken."""
        self._estimate = estimate
        self._news.set()

    def take_estimate(self) -> str | None:
        """The newest of what is expected so far, in JSON; None where there is none since the last."""
        taken, self._estimate = self._estimate, None
        return taken

    def fall_behind(self) -> None:
        """Entries were read that this one was not offered."""
        self._behind = True
        self._news.set()

    def doubt(self) -> None:
        """Nothing may come any more."""
        self._doubted = True
        self.fall_behind()

    async def has_more(self) -> bool:
        """True if there are entries behind the last one that it took. Raises what the store raises."""
        self.fall_behind()
        return bool(await self._reader.store.entries_after(self._job_id, self.last))

    async def next(self, quiet_s: float) -> list[Entry] | Pause:
        """The next entries, in order, each once; none where there is an estimate first. Trouble with Redis is waited
        out."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + quiet_s
        while not self.has_ended:
            try:
                if (batch := await self._take()) or self._estimate is not None:
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
    """All followers of this process."""

    def __init__(self, store: Store, url: str, shards: int = SHARDS) -> None:
        self.store = store
        self._shards = [_Shard(store, url) for _ in range(shards)]
        self._followers: set[Follower] = set()
        self._stopped = False

    @property
    def readers(self) -> int:
        return len(self._followers)

    @contextlib.contextmanager
    def follow(
        self, job_id: str, after: int, estimates: bool = False
    ) -> Iterator[Follower]:
        """Entries behind `after` (0 = all); also what is expected so far."""
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
        self._shard(job_id).join(job_id, follower)

    def stop(self) -> None:
        """End every follower, those that begin later too."""
        self._stopped = True
        for follower in list(self._followers):
            follower.end()

    async def close(self) -> None:
        for shard in self._shards:
            await shard.close()

    def _shard(self, job_id: str) -> "_Shard":
        return self._shards[zlib.crc32(job_id.encode()) % len(self._shards)]


@dataclass
class _Watch:
    """One stream that a shard reads, and who wants it. Its words in the command are kept: a shard may have many."""

    job_id: str
    seq: int
    followers: set[Follower] = field(default_factory=set)
    has_estimates: bool = False
    """Somebody wants them."""
    estimate: str | None = None
    """The newest, for those who come later."""

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
        """Keep and hand out the newest of a stream's entries."""
        entry_id, (_, estimate) = raw[-1]
        self.estimate_words = packed(self.estimate_name), packed(entry_id)
        self.estimate = newest = estimate.decode()
        for follower in self.followers:
            if follower.wants_estimates:
                follower.offer_estimate(newest)


class _Shard:
    """One connection, and one task while there is anything to read."""

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
            follower.fall_behind()
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
                # again until it is done: before Python 3.12 `asyncio.wait_for`, which redis-py uses, may swallow it
                task.cancel()
                await asyncio.wait({task}, timeout=0.05)
        await self._connection.close()

    def _poke(self) -> None:
        """See to it that a read begins that knows of the new job: the one under way waits for the others."""
        self._read_wanted = self._reads + 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read_on())
            self._task.add_done_callback(self._note_bug)
        elif self._poker is None or self._poker.done():
            self._poker = asyncio.create_task(self._poke_until_read())

    def _note_bug(self, task: asyncio.Task[None]) -> None:
        """End all who wait for this shard, where they would wait for ever: they come back."""
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
                self._look_at = 0.0  # it may come back without what it knew
                await asyncio.sleep(random.uniform(0.1, 0.5))

    async def _look(self) -> None:
        """Tell those whose job has ended or is gone: it may have done so without an entry that could be read."""
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
        by_name = {watch.name: watch for watch in watches} if answer else {}
        estimated = (
            {watch.estimate_name: watch for watch in watches if watch.has_estimates}
            if answer
            else {}
        )
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
