"""Everything the API says to Redis. It knows keys, scripts and time limits, and nothing of HTTP.

Three clients, because a lost reply means something different to each:
    commands   reads, and writes that may be repeated: two retries
    once       the accept transaction: a retry could queue a job twice, so there is none
    streams    blocking reads, one connection per open stream
Each call but the blocking one gives up after `budget_s` with redis.exceptions.TimeoutError.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis import exceptions as redis_errors
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff

from app.queue_entry import QUEUE_KEY, enqueue_commands, rq_job_key
from worker.contract import keys, scripts
from worker.contract.cards import WorkerInfo
from worker.contract.events import EventType
from worker.contract.jobs import JobRecord, JobSpec

_BLOCK_S = 30
_LEAVING = 16
"""Connections beside one for each stream: a reader that leaves gives its own back a moment later than its seat."""
_BATCH = 256
"""Entries in one answer to a stream's reader."""

_WITHDRAW = """
-- KEYS: RQ queue, RQ job. ARGV: job id. Only an id that still waits may lose its entry; a worker may hold the others.
if redis.call('LREM', KEYS[1], 1, ARGV[1]) > 0 then redis.call('DEL', KEYS[2]) end
"""


@dataclass(frozen=True)
class JobRead:
    """One look at a job. Times are seconds since 1970 by Redis's clock."""

    record: JobRecord | None
    index: int | None
    """How many wait before it in the queue."""
    was: bool
    """The id was accepted once, though the job may be gone."""
    now: float


@dataclass(frozen=True)
class Entry:
    """One entry of a job's stream; `seq` counts 1, 2, ... and `data` is JSON."""

    seq: int
    type: EventType
    data: str


class Store:
    def __init__(self, url: str, streams: int, budget_s: float) -> None:
        common: dict[str, Any] = {"socket_connect_timeout": 1.0, "protocol": 2}
        patient = Retry(ExponentialBackoff(cap=0.2, base=0.05), 2)
        never = Retry(NoBackoff(), 0)
        self._budget_s = budget_s
        self._commands = Redis(
            connection_pool=BlockingConnectionPool.from_url(
                url, max_connections=32, timeout=1, socket_timeout=2.0, retry=patient, **common
            )
        )
        self._once = Redis(
            connection_pool=BlockingConnectionPool.from_url(
                url, max_connections=16, timeout=1, socket_timeout=budget_s, retry=never, **common
            )
        )
        self._streams = Redis(
            connection_pool=ConnectionPool.from_url(
                url, max_connections=streams + _LEAVING, socket_timeout=_BLOCK_S + 5, retry=never, **common
            )
        )

    async def close(self) -> None:
        for client in (self._commands, self._once, self._streams):
            await client.aclose()
            await client.connection_pool.disconnect()

    async def ping(self) -> None:
        async with self._within_budget():
            await self._commands.execute_command("PING")

    async def accept(self, spec: JobSpec, pixels: bytes | None = None, keep: bytes = b"") -> None:
        """Store the job and queue it, in one transaction. `pixels` and `keep` as in `keys.image`."""
        given = [] if pixels is None else [pixels, keep]
        arguments = [spec.model_dump_json(), spec.rows_total, keys.ACTIVE_TTL_S, *given]
        commands = enqueue_commands(spec.id)
        async with self._within_budget(), self._once.pipeline(transaction=True) as pipe:
            _eval(pipe, scripts.ACCEPT, scripts.of(spec.id), arguments)
            for command in commands:
                pipe.execute_command(*command)
            await pipe.execute()

    async def read(self, job_id: str) -> JobRead:
        async with self._within_budget(), self._commands.pipeline(transaction=True) as pipe:
            pipe.hgetall(keys.job(job_id))
            pipe.execute_command("LPOS", QUEUE_KEY, job_id)
            pipe.exists(keys.tombstone(job_id))
            pipe.time()
            fields, index, was, (seconds, micros) = await pipe.execute()
        record = JobRecord.from_hash(fields) if fields else None
        return JobRead(record, index, bool(was), seconds + micros / 1e6)

    async def cancel(self, job_id: str) -> str:
        """What the CANCEL script returns; a job that still waited leaves the queue at once."""
        arguments = [keys.CANCEL_CHANNEL, job_id, keys.RESULT_TTL_S, keys.TOMBSTONE_TTL_S]
        async with self._within_budget():
            result = await _eval(self._commands, scripts.CANCEL, scripts.of(job_id), arguments)
            if result == b"canceled":
                await _eval(self._commands, _WITHDRAW, [QUEUE_KEY, rq_job_key(job_id)], [job_id])
        return result.decode()

    async def delete(self, job_id: str) -> None:
        """Forget a job that has ended; its tombstone stays."""
        async with self._within_budget():
            await self._commands.delete(keys.job(job_id), keys.events(job_id), keys.image(job_id))

    async def entries(self, job_id: str) -> list[Entry]:
        """All that the job's stream says so far."""
        async with self._within_budget():
            return _entries(await self._commands.execute_command("XRANGE", keys.events(job_id), "-", "+"))

    async def picture(self, job_id: str, field: str) -> bytes | None:
        """One of the job's pictures that are not drawn row by row: see `keys.image`."""
        async with self._within_budget():
            return await self._commands.execute_command("HGET", keys.image(job_id), field)

    async def entries_after(self, job_id: str, seq: int) -> list[Entry]:
        """The next entries, as soon as there are any; empty after about half a minute without one."""
        answer = await self._streams.execute_command(
            "XREAD", "COUNT", _BATCH, "BLOCK", _BLOCK_S * 1000, "STREAMS", keys.events(job_id), f"{seq}-0"
        )
        return _entries(next(iter(_streams_of(answer)), []))

    async def workers(self) -> list[WorkerInfo]:
        """Workers that announced themselves and still live, latest started first."""
        async with self._within_budget():
            names = sorted(await self._commands.execute_command("SMEMBERS", keys.WORKERS) or [])
            if not names:
                return []
            found = await self._commands.mget([keys.worker(name.decode()) for name in names])
        workers = [WorkerInfo.model_validate_json(text) for text in found if text is not None]
        return sorted(workers, key=lambda worker: -worker.started_at)

    @contextlib.asynccontextmanager
    async def _within_budget(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._budget_s):
                yield
        except TimeoutError as error:
            raise redis_errors.TimeoutError("no answer within the budget") from error


def _eval(client: Any, script: str, script_keys: Sequence[str], arguments: Sequence[Any]) -> Any:
    """EVAL on a client (awaitable) or on a pipeline (queued)."""
    return client.execute_command("EVAL", script, len(script_keys), *script_keys, *arguments)


def _streams_of(answer: Any) -> Iterable[Any]:
    """XREAD answers a list of [key, entries], a mapping of them, or nothing, depending on the client's version."""
    if not answer:
        return []
    if isinstance(answer, dict):
        return answer.values()
    return (entries for _, entries in answer)


def _entries(raw: Any) -> list[Entry]:
    return [
        Entry(int(entry_id.split(b"-")[0]), EventType(fields[b"type"].decode()), fields[b"data"].decode())
        for entry_id, fields in raw or []
    ]
