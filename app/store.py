"""Everything the API says to Redis, but for the waiting reads of app.services.row_reader.

It knows keys, scripts and time limits, and nothing of HTTP.

Each command gives up after `budget_s` with redis.exceptions.TimeoutError; what the server is too full or too broken for
is a StoreRefusesError. All may be repeated: writes are scripts.
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from redis import exceptions as redis_errors

from app import redis_connections
from app.access.callers import ANYONE
from app.entries import Entry, entries_of
from app.errors import OtherVersionJobError
from app.imaging.given import GivenPixels
from app.packed import UnpackableError, unpacked
from app.packed_pictures import FIELD as PICTURES
from app.packed_pictures import unpacked_picture
from app.queue_entry import QUEUES_KEY, enqueue_commands, rq_job_key
from worker.contract import keys, scripts, submission
from worker.contract.cards import AnnouncementReader, WorkerInfo
from worker.contract.durability import (
    CLUSTER,
    LOADING,
    is_cluster,
    is_loading,
    weaknesses,
)
from worker.contract.jobs import JobRecord, JobSpec, JobStatus
from worker.contract.loader import digest_of, load
from worker.contract.record import UnreadableError
from worker.contract.submission import Allowance, SubmissionAnswer, SubmissionTerms

_log = structlog.get_logger("pixelrnn.api")

BATCH = 256
"""Entries in one answer to a stream's reader; each may have many rows."""

_OPEN = (JobStatus.QUEUED.value.encode(), JobStatus.RUNNING.value.encode())

_BEYOND_ALLOWANCE = load("app", "beyond_allowance")
_SPEND = load("app", "spend")
_READ = load("app", "read")
_WITHDRAW = load("app", "withdraw")
_FORGET = load("app", "forget")
_FLEET = load("app", "fleet")
_PACKING_DUE = load("app", "packing_due")
_PACK = load("app", "pack")
_WEBHOOKS_DUE = load("app", "webhooks_due")
_WEBHOOK_OVER = load("app", "webhook_over")


@dataclass(frozen=True)
class Unreadable:
    """A job that is there, and why it cannot be shown."""

    error: UnreadableError
    client: str
    """Who handed it in."""


@dataclass(frozen=True)
class JobRead:
    """One look at a job. Times are seconds since 1970 by Redis's clock."""

    record: JobRecord | None
    waiting_before: int | None
    """How many wait before it in the queue."""
    tombstone: str | None
    """The trace that stays when a job that has ended is gone; None: no such job was ever accepted."""
    now: float
    unreadable: Unreadable | None = None
    """The job, if it is there and this version cannot read its record."""

    @property
    def is_gone(self) -> bool:
        return self.record is None and self.unreadable is None

    def was_of(self, owner: str) -> bool:
        """The job is gone, and may have been this owner's."""
        told = self.tombstone
        return told is not None and (
            owner == ANYONE
            or not told.startswith(keys.WAS_OF)
            or told == keys.WAS_OF + owner
        )

    @classmethod
    def of(
        cls, fields: Any, waiting_before: int | None, tombstone: str | None, now: float
    ) -> "JobRead":
        """Read the job's hash, or what Redis said instead of it."""
        if not fields:
            return cls(None, waiting_before, tombstone, now)
        if isinstance(fields, redis_errors.ResponseError):  # not a hash
            return cls(
                None,
                waiting_before,
                tombstone,
                now,
                Unreadable(UnreadableError(str(fields)), ""),
            )
        try:
            return cls(JobRecord.from_hash(fields), waiting_before, tombstone, now)
        except UnreadableError as error:
            _log.warning("job_unreadable", reason=str(error))
            whose = fields.get(b"client", b"").decode(errors="replace")
            return cls(None, waiting_before, tombstone, now, Unreadable(error, whose))


@dataclass(frozen=True)
class Load:
    """One look at the books: see worker.contract.keys. Work is counted in values."""

    now: float
    depths: dict[str, int]
    """How many jobs wait, by the key of their queue."""
    waiting_since: float | None
    parked: int
    """How many jobs wait for a worker that can do them."""
    open_jobs: int
    work: int
    accepted: int
    room: int
    """Bytes that open jobs will still write."""
    written: int
    """Bytes that ever came with jobs."""
    drawn: dict[int, int]
    busy: dict[int, float]
    took: dict[str, float]
    first_rows: dict[str, float]
    totals: dict[str, int]
    trained: dict[str, int]

    @property
    def queue(self) -> int:
        """How many jobs wait."""
        return sum(self.depths.values())

    @property
    def mean_work(self) -> float:
        """Values that an open job lacks."""
        return self.work / max(1, self.open_jobs)


@dataclass(frozen=True)
class DueWebhook:
    """A job whose end is to be told now."""

    job_id: str
    url: str
    attempt: int
    """1 = the first."""


@dataclass(frozen=True)
class ServerState:
    """How Redis itself is."""

    used: int
    limit: int
    """Bytes of memory that it uses, and may use: its maxmemory, else all that its machine has; 0 = it does not say."""
    weaknesses: tuple[str, ...]
    """How it may lose accepted jobs: see worker.contract.durability."""


def _but_for_trouble(answers: list[Any]) -> list[Any]:
    """The answers of a pipeline. One that its key has the wrong type stays, because only that key's job is harmed;
    RedisError for every other error."""
    for answer in answers:
        if isinstance(answer, redis_errors.RedisError) and not str(answer).startswith(
            "WRONGTYPE"
        ):
            raise answer
    return answers


def _of_later_version(job_id: str, error: UnpackableError) -> OtherVersionJobError:
    _log.warning("packed_unreadable", job_id=job_id, reason=str(error))
    return OtherVersionJobError(
        "a later version of this service packed the job's results; ask that one"
    )


class Store:
    def __init__(self, url: str, budget_s: float) -> None:
        self._budget_s = budget_s
        self._announcements = AnnouncementReader()
        self._turn = asyncio.Semaphore(redis_connections.MAX_COMMAND_CONNECTIONS)
        """Makes calls wait in order: the pool itself may give a free connection to one that came later."""
        self._redis: Any = redis_connections.command_client(
            url
        )  # redis-py types every answer as "awaitable or not"

    async def close(self) -> None:
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    async def submit(
        self,
        terms: SubmissionTerms,
        spec: JobSpec,
        given: GivenPixels | None,
        queue: str,
    ) -> tuple[SubmissionAnswer, list[bytes | int]]:
        """Accept and queue the job, or say why not; all or nothing."""
        pixels, keep, upload = (
            (None, b"", b"")
            if given is None
            else (given.pixels, given.keep, given.upload)
        )
        words = submission.arguments(
            terms, spec, pixels, keep, enqueue_commands(spec.id, queue), upload
        )
        answer = await self._eval(scripts.SUBMIT, scripts.of(spec.id), words)
        return SubmissionAnswer(answer[0].decode()), answer[1:]

    async def beyond_allowance(
        self, allowance: Allowance
    ) -> tuple[SubmissionAnswer, list[bytes | int]] | None:
        """Why the client may not hand in a job now; None where it may. Takes nothing of its allowance."""
        bucket = keys.allowance(allowance.client)
        answer = await self._eval(
            _BEYOND_ALLOWANCE, [bucket], [allowance.model_dump_json()]
        )
        return (SubmissionAnswer(answer[0].decode()), answer[1:]) if answer else None

    async def spend(self, allowance: Allowance) -> None:
        """Take one request from the client's allowance, if one is left."""
        bucket = keys.allowance(allowance.client)
        await self._eval(_SPEND, [bucket], [allowance.model_dump_json()])

    async def promised(self, client: str, digest: str) -> tuple[str, str] | None:
        """Id and body digest of the job that this `Idempotency-Key` has made; `digest` is the key's."""
        job, body = await self._ask(
            "HMGET", keys.idempotency(client, digest), "job", "body"
        )
        return None if job is None else (job.decode(), body.decode())

    async def read(self, job_id: str) -> JobRead:
        answer = await self._eval(
            _READ, [keys.job(job_id), keys.tombstone(job_id)], [job_id]
        )
        flat, waiting_before, tombstone, (seconds, micros) = answer
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        told = tombstone and tombstone.decode()
        return JobRead.of(
            fields, waiting_before, told, int(seconds) + int(micros) / 1e6
        )

    async def listed(
        self, owner: str, until: float | None, count: int
    ) -> list[tuple[str, float]]:
        """Ids and times of acceptance of the owner's jobs, newest first; none accepted after `until`."""
        limit = "+inf" if until is None else repr(until)
        words = limit, "-inf", "WITHSCORES", "LIMIT", 0, count
        found = await self._ask("ZREVRANGEBYSCORE", keys.listed_ids(owner), *words)
        return [
            (job_id.decode(), float(score))
            for job_id, score in zip(found[::2], found[1::2], strict=True)
        ]

    async def records(self, job_ids: Sequence[str]) -> list[JobRead]:
        """The jobs with these ids; their places in the queue are left out."""
        async with (
            self._within_budget(),
            self._redis.pipeline(transaction=False) as pipe,
        ):
            pipe.time()
            for job_id in job_ids:
                pipe.hgetall(keys.job(job_id))
            (seconds, micros), *found = _but_for_trouble(
                await pipe.execute(raise_on_error=False)
            )
        return [
            JobRead.of(fields, None, None, seconds + micros / 1e6) for fields in found
        ]

    async def forget_listed(self, owner: str, job_ids: Sequence[str]) -> None:
        """Take ids of jobs that are gone from the owner's list."""
        if job_ids:
            await self._ask("ZREM", keys.listed_ids(owner), *job_ids)

    async def cancel(self, job_id: str) -> str:
        """Cancel a job, which leaves the queue at once if it still waits. Returns what the CANCEL script returns."""
        result = await self._eval(
            scripts.CANCEL, scripts.of(job_id), [secrets.token_hex(8)]
        )
        if result == b"canceled":
            await self._eval(
                _WITHDRAW, [keys.job(job_id), rq_job_key(job_id)], [job_id]
            )
        return result.decode()

    async def delete(self, job_id: str) -> bool:
        """Forget a job that has ended; its tombstone stays. False for one that has not."""
        names = [
            keys.job(job_id),
            keys.events(job_id),
            keys.image(job_id),
            keys.packed_entries(job_id),
        ]
        return bool(await self._eval(_FORGET, names, []))

    async def entries(self, job_id: str) -> list[Entry]:
        """All that the job's stream says so far."""
        return await self._entries(job_id, "XRANGE", "-", "+")

    async def entries_after(self, job_id: str, seq: int) -> list[Entry]:
        """The next rows that are there, and the end: of BATCH entries, or where they are packed all. An id inside of an
        entry has the rest of it."""
        found = await self._entries(job_id, "XRANGE", f"({seq}-0", "+", "COUNT", BATCH)
        return [entry for entry in found if entry.seq > seq]

    async def picture(self, job_id: str, field: str) -> bytes | None:
        """One of the job's pictures that are not drawn row by row: see `keys.image`."""
        found, value = await self._ask("HMGET", keys.image(job_id), field, PICTURES)
        try:
            return unpacked_picture(value, field) if value else found
        except UnpackableError as error:
            raise _of_later_version(job_id, error) from error

    async def pictures(self, job_id: str) -> dict[str, bytes]:
        """All of them, by their fields."""
        async with self._within_budget():
            return {
                name.decode(): data
                for name, data in (
                    await self._redis.hgetall(keys.image(job_id))
                ).items()
            }

    async def newest(self, job_id: str) -> Entry | None:
        """The last of the job's entries so far."""
        found = await self._entries(job_id, "XREVRANGE", "+", "-", "COUNT", 1)
        return found[-1] if found else None

    async def _entries(
        self, job_id: str, command: str, *words: str | int
    ) -> list[Entry]:
        """The entries that the command finds in the job's stream; all of them if they are packed."""
        if found := await self._ask(command, keys.events(job_id), *words):
            return entries_of(found)
        value = await self._ask("GET", keys.packed_entries(job_id))
        try:
            return unpacked(value) if value else []
        except UnpackableError as error:
            raise _of_later_version(job_id, error) from error

    async def due_for_packing(self, most: int, after_s: float) -> list[str]:
        """Take ids of jobs that ended so long ago and whose entries are not packed. They are due again in a minute."""
        return [
            job_id.decode()
            for job_id in await self._eval(_PACKING_DUE, [], [most, after_s])
        ]

    async def pack(
        self, job_id: str, seq: int, entries: bytes, pictures: bytes
    ) -> None:
        """Put packed entries in the stream's place, if `seq` is its last entry, and packed pictures in the place of
        those that there are; empty: they stay."""
        names = [
            keys.job(job_id),
            keys.events(job_id),
            keys.packed_entries(job_id),
            keys.image(job_id),
        ]
        await self._eval(_PACK, names, [job_id, seq, entries, pictures, PICTURES])

    async def not_open(self, job_ids: Sequence[str]) -> list[str]:
        """The jobs among these that have ended or are gone."""
        found: list[Any] = []
        for i in range(0, len(job_ids), BATCH):
            async with (
                self._within_budget(),
                self._redis.pipeline(transaction=False) as pipe,
            ):
                for job_id in job_ids[i : i + BATCH]:
                    pipe.hget(keys.job(job_id), "status")
                found += _but_for_trouble(await pipe.execute(raise_on_error=False))
        return [
            job_id
            for job_id, status in zip(job_ids, found, strict=True)
            if status not in _OPEN
        ]

    async def due_webhooks(
        self,
        most: int,
        delays_s: Sequence[int],
        calls: Mapping[str, int],
        most_of_host: int,
    ) -> list[DueWebhook]:
        """Take what is to be sent now. It is due again after the first of the delays, then the second, and so on.

        calls: how many are under way to each host and receiver; most_of_host: how many may be."""
        found = await self._eval(
            _WEBHOOKS_DUE,
            [],
            [most, json.dumps(delays_s), json.dumps(calls), most_of_host],
        )
        return [
            DueWebhook(job_id.decode(), url.decode(), attempt)
            for job_id, url, attempt in found
        ]

    async def webhook_over(self, job_id: str, outcome: str = "") -> None:
        """It was sent, and the job says how that ended; or never can be."""
        await self._eval(_WEBHOOK_OVER, [], [job_id, outcome])

    async def status(self, job_id: str) -> str | None:
        """Return the job's status, a JobStatus; None if there is no record of it."""
        status = await self._ask("HGET", keys.job(job_id), "status")
        return None if status is None else status.decode()

    async def exists(self, job_id: str) -> bool:
        return bool(await self._ask("EXISTS", keys.job(job_id)))

    async def unblock(self, connection_id: int) -> None:
        """Wake a connection that waits in a blocking read; nothing if it does not."""
        await self._ask("CLIENT", "UNBLOCK", connection_id)

    async def workers(self) -> list[WorkerInfo]:
        """Workers that announced themselves and still live, latest started first; those of another version only as far
        as this one can read them."""
        names = sorted(await self._ask("SMEMBERS", keys.WORKERS) or [])
        if not names:
            return []
        found = await self._ask(
            "MGET", *(keys.worker(name.decode(errors="replace")) for name in names)
        )
        announced = [text for text in found if text is not None]
        workers = self._announcements.read(announced)
        if len(workers) < len(announced):
            _log.warning(
                "announcements_unreadable", workers=len(announced) - len(workers)
            )
        return sorted(workers, key=lambda worker: -worker.started_at)

    async def reserved(self) -> dict[str, str]:
        """Return the identities of shipped models by their names, which are reserved.

        Workers announce them, and they are kept for a day after that. Of a name that
        was announced with several identities, the latest counts. An identity is empty
        if the model's card cannot be read.
        """
        digests = [each.decode() for each in await self._ask("SMEMBERS", keys.RESERVED)]
        async with (
            self._within_budget(),
            self._redis.pipeline(transaction=False) as pipe,
        ):
            for digest in digests:
                pipe.pttl(keys.reserved_names(digest))
                pipe.get(keys.reserved_names(digest))
            answers = await pipe.execute()
        lists = sorted(zip(answers[::2], answers[1::2], digests, strict=True))
        gone = [digest for _, text, digest in lists if text is None]
        if gone:
            await self._ask("SREM", keys.RESERVED, *gone)
        found: dict[str, str] = {}
        for _, text, _ in lists:  # the latest last
            found |= json.loads(text or "{}")
        return found

    async def load(self) -> Load:
        now, depths, since, parked, open_jobs, counts, *hashes = await self._eval(
            _FLEET, [QUEUES_KEY], []
        )
        work, accepted, room, written = counts
        drawn, busy, took, first_rows, totals, trained = (
            {k.decode(): v for k, v in zip(h[::2], h[1::2], strict=True)}
            for h in hashes
        )
        return Load(
            now=float(now),
            depths={
                key.decode(): length
                for key, length in zip(depths[::2], depths[1::2], strict=True)
            },
            waiting_since=float(since) if since else None,
            parked=parked,
            open_jobs=open_jobs,
            work=int(work or 0),
            accepted=int(accepted or 0),
            room=int(room or 0),
            written=int(written or 0),
            drawn={int(span): int(values) for span, values in drawn.items()},
            busy={int(span): float(seconds) for span, seconds in busy.items()},
            took={model: float(seconds) for model, seconds in took.items()},
            first_rows={power: float(number) for power, number in first_rows.items()},
            totals={name: int(count) for name, count in totals.items()},
            trained={what: int(count) for what, count in trained.items()},
        )

    async def refusal(self) -> str:
        """Why the server takes no writes, in its own words; empty where it takes them."""
        try:
            await self._ask("SET", keys.PROBE, 1, "EX", keys.ANNOUNCE_TTL_S)
        except redis_connections.StoreRefusesError as error:
            return str(error)
        return ""

    async def server(self) -> ServerState:
        """How Redis itself is."""
        async with (
            self._within_budget(),
            self._redis.pipeline(transaction=False) as pipe,
        ):
            pipe.info("memory")
            pipe.info("persistence")
            pipe.info("cluster")
            pipe.config_get("appendfsync")
            *found, setting = await pipe.execute(raise_on_error=False)
            for answer in found:
                if isinstance(answer, redis_errors.RedisError):
                    raise answer
        memory, persistence, cluster = found
        if is_cluster(cluster):
            raise redis_connections.StoreRefusesError(CLUSTER)
        if is_loading(persistence):
            raise redis_errors.BusyLoadingError(LOADING)
        appendfsync = (
            setting.get("appendfsync") if isinstance(setting, dict) else None
        )  # some hosts forbid CONFIG
        return ServerState(
            used=int(memory.get("used_memory", 0)),
            limit=int(memory.get("maxmemory", 0))
            or int(memory.get("total_system_memory", 0)),
            weaknesses=weaknesses(memory, persistence, appendfsync),
        )

    async def _eval(
        self, script: str, script_keys: Sequence[str], arguments: Sequence[Any]
    ) -> Any:
        """Run a script by its digest, because a script is many times as long as its arguments."""
        words = (len(script_keys), *script_keys, *arguments)
        async with self._within_budget():
            try:
                return await self._redis.execute_command(
                    "EVALSHA", digest_of(script), *words
                )
            except redis_errors.NoScriptError:
                return await self._redis.execute_command("EVAL", script, *words)

    async def _ask(self, *words: str | int) -> Any:
        """The answer to one command."""
        async with self._within_budget():
            return await self._redis.execute_command(*words)

    @contextlib.asynccontextmanager
    async def _within_budget(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._budget_s), self._turn:
                yield
        except TimeoutError as error:
            raise redis_errors.TimeoutError("no answer within the budget") from error
        except redis_errors.ResponseError as error:
            raise redis_connections.trouble_of(error) from error
