"""Everything the API says to Redis, except the waiting reads of
app.services.row_reader.

This module knows keys, scripts and time limits, but nothing of HTTP.
"""

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
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
from worker.contract.jobs import JobError, JobRecord, JobSpec, JobStatus
from worker.contract.loader import digest_of, load
from worker.contract.record import UnreadableError
from worker.contract.submission import Allowance, SubmissionAnswer, SubmissionTerms

_log = structlog.get_logger("pixelrnn.api")

BATCH = 256
"""Entries in one reply from a stream, at most. An entry may contain many rows."""

_DAY_S = 24 * 3600
_OPEN = (JobStatus.QUEUED.value.encode(), JobStatus.RUNNING.value.encode())

_BEYOND_ALLOWANCE = load("app", "beyond_allowance")
_SPEND = load("app", "spend")
_READ = load("app", "read")
_WITHDRAW = load("app", "withdraw")
_FAIL_ASLEEP = load("app", "fail_asleep")
_FORGET = load("app", "forget")
_FLEET = load("app", "fleet")
_PACKING_DUE = load("app", "packing_due")
_PACK = load("app", "pack")
_WEBHOOKS_DUE = load("app", "webhooks_due")
_WEBHOOK_OVER = load("app", "webhook_over")
_KEPT_ADDRESS = load("app", "kept_address")
_KEEP_ADDRESS = load("app", "keep_address")
_FORGET_ADDRESSES = load("app", "forget_addresses")


@dataclass(frozen=True)
class Unreadable:
    """A job whose record this version cannot read."""

    error: UnreadableError
    """The reason."""
    client: str
    """The job's owner; empty if that is not known either."""


@dataclass(frozen=True)
class JobRead:
    """One look at a job. Times are seconds since 1970 by Redis's clock."""

    record: JobRecord | None
    """None if the job is gone or unreadable."""
    waiting_before: int | None
    """Number of jobs before it in its queue; None if it does not wait, or if that was
    not asked."""
    tombstone: str | None
    """The trace that stays when an ended job is gone (`keys.tombstone`). None if no
    such job was accepted in the last days, or if that was not asked."""
    now: float
    """Time of this look."""
    unreadable: Unreadable | None = None
    """Set if the job is there, but its record cannot be read."""

    @property
    def is_gone(self) -> bool:
        """True if Redis has no record of the job."""
        return self.record is None and self.unreadable is None

    def was_of(self, owner: str) -> bool:
        """Return True if the job is gone and may have been this owner's. ANYONE stands
        for every owner."""
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
        """Read a job from its hash.

        fields: reply to HGETALL, which may be an error reply.
        waiting_before, tombstone, now: as the fields of the class.
        """
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
class QueueLoad:
    """The open jobs of one queue."""

    waiting: int
    """Number of jobs that wait in it."""
    held: int
    """Number of jobs that workers have taken from it."""
    values: int
    """Values that these jobs still have to draw. Some may be missing
    (`keys.QUEUE_WORK`)."""


@dataclass(frozen=True)
class Load:
    """One look at the work of the whole service, from the counters in
    worker.contract.keys. Work is counted in values, as in `JobSpec.work`."""

    now: float
    """Seconds since 1970 by Redis's clock."""
    queues: dict[str, QueueLoad]
    """The open jobs of each queue, by its name; without trainings."""
    waiting_since: float | None
    """Time when the oldest of the queues' next jobs was accepted; None if no job
    waits."""
    parked: int
    """Number of jobs that wait for a worker which can do them."""
    open_jobs: int
    """Number of jobs that have not ended."""
    work: int
    """Values that open jobs still have to draw."""
    accepted: int
    """Values of all jobs that were ever accepted."""
    room: int
    """Bytes that open jobs will still write to Redis."""
    written: int
    """Bytes that were ever sent with jobs."""
    drawn: dict[int, int]
    """Values drawn in the last minute, by the number of the span of `keys.DRAWN_SPAN_S`
    seconds."""
    busy: dict[int, float]
    """Seconds of each of these spans in which there was something to draw."""
    took: dict[str, float]
    """Moving average of the seconds that a job takes from start to end, by model."""
    first_rows: dict[str, float]
    """Histogram of the seconds until a job's first row, as in `keys.FIRST_ROWS`."""
    totals: dict[str, int]
    """Number of ended jobs, by `kind:status`."""
    trained: dict[str, int]
    """What all trainings did, by `keys.TRAINED_FIELDS`."""
    closed: bool = False
    """True if an operator has stopped new jobs."""

    @property
    def queue(self) -> int:
        """Number of waiting jobs in all queues."""
        return sum(one.waiting for one in self.queues.values())

    def waiting_in(self, queue: str) -> int:
        """Return the number of jobs that wait in the queue of this name."""
        return self.queues[queue].waiting if queue in self.queues else 0

    def jobs_by_queue(self) -> dict[str, int]:
        """Return the number of open jobs of each queue: waiting and held ones."""
        return {name: one.waiting + one.held for name, one in self.queues.items()}

    def work_by_queue(self) -> dict[str, float]:
        """Estimate the values that the open jobs of each queue still have to draw:
        `work`, shared in proportion to the values that were counted for each queue, or
        to their jobs if none were counted."""
        parts = {name: max(0, one.values) for name, one in self.queues.items()}
        if not any(parts.values()):
            parts = self.jobs_by_queue()
        total = max(1, sum(parts.values()))
        return {name: self.work * part / total for name, part in parts.items()}

    @property
    def mean_work(self) -> float:
        """Values that an open job still has to draw, on average."""
        return self.work / max(1, self.open_jobs)


@dataclass(frozen=True)
class OwnerUsage:
    """What an owner's jobs that ended on one day have used (`keys.USAGE`)."""

    day: int
    """Number of the day (UTC) since 1970."""
    owner: str
    images: int
    values: int
    seconds: float


@dataclass(frozen=True)
class DueWebhook:
    """A job whose end is to be reported to its webhook now."""

    job_id: str
    url: str
    attempt: int
    """1 for the first attempt."""


@dataclass(frozen=True)
class ServerState:
    """The state of Redis itself."""

    used: int
    """Bytes of memory that Redis uses."""
    limit: int
    """Bytes of memory that Redis may use: its maxmemory, or else the memory of its
    machine; 0 if it reports neither."""
    weaknesses: tuple[str, ...]
    """Sentences that say how Redis may lose accepted jobs
    (worker.contract.durability)."""


def _but_for_trouble(answers: list[Any]) -> list[Any]:
    """Return the replies of a pipeline. An error among them is raised, unless it is
    WRONGTYPE."""
    for answer in answers:
        # WRONGTYPE concerns only the job of that key.
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
    """The records, rows and pictures of all jobs in Redis.

    Every method may raise an error of STORE_TROUBLE: StoreRefusesError if the server
    cannot execute the command in its state, redis.exceptions.TimeoutError after
    `budget_s`. All may be called again after that, because every write is a script that
    has no further effect the second time.
    """

    def __init__(self, url: str, budget_s: float) -> None:
        """url: address of Redis.
        budget_s: seconds that one command may take, with its wait for a connection."""
        self._budget_s = budget_s
        self._announcements = AnnouncementReader()
        self._remembered = AnnouncementReader()
        self._turn = asyncio.Semaphore(redis_connections.MAX_COMMAND_CONNECTIONS)
        """Lets calls proceed in order: the pool itself may give a free connection to a
        later call."""
        self._redis: Any = redis_connections.command_client(
            url
        )  # redis-py types every answer as "awaitable or not"

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    async def submit(
        self,
        terms: SubmissionTerms,
        spec: JobSpec,
        given: GivenPixels | None,
        queue: str,
    ) -> tuple[SubmissionAnswer, list[bytes | int]]:
        """Accept and enqueue a job completely, or not at all.

        terms: the limits that it must keep.
        given: the pixels that it begins with.
        queue: name of the RQ queue.
        Returns the answer, and the numbers or texts that the script adds to it.
        """
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
        """Return why the client may not submit a job now; None if it may. Nothing is
        submitted, and its allowance does not change."""
        bucket = keys.allowance(allowance.client)
        answer = await self._eval(
            _BEYOND_ALLOWANCE, [bucket], [allowance.model_dump_json()]
        )
        return (SubmissionAnswer(answer[0].decode()), answer[1:]) if answer else None

    async def spend(self, allowance: Allowance) -> None:
        """Count one submission against the client's allowance, if one is left."""
        bucket = keys.allowance(allowance.client)
        await self._eval(_SPEND, [bucket], [allowance.model_dump_json()])

    async def promised(self, client: str, digest: str) -> tuple[str, str] | None:
        """Return the id and the body's digest of the job that an `Idempotency-Key` has
        made for this client; None if there is none. `digest` is the key's."""
        job, body = await self._ask(
            "HMGET", keys.idempotency(client, digest), "job", "body"
        )
        return None if job is None else (job.decode(), body.decode())

    async def read(self, job_id: str) -> JobRead:
        """Read a job, its place in the queue and its tombstone at one moment."""
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
        """Return up to `count` of the owner's jobs, newest first: id and time of
        acceptance, in seconds since 1970. None of them was accepted after `until`."""
        limit = "+inf" if until is None else repr(until)
        words = limit, "-inf", "WITHSCORES", "LIMIT", 0, count
        found = await self._ask("ZREVRANGEBYSCORE", keys.listed_ids(owner), *words)
        return [
            (job_id.decode(), float(score))
            for job_id, score in zip(found[::2], found[1::2], strict=True)
        ]

    async def records(self, job_ids: Sequence[str]) -> list[JobRead]:
        """Read several jobs, without their places and tombstones."""
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
        """Remove ids of jobs that are gone from the owner's list."""
        if job_ids:
            await self._ask("ZREM", keys.listed_ids(owner), *job_ids)

    async def cancel(self, job_id: str) -> str:
        """Cancel a job. A waiting one leaves the queue at once.

        Returns `missing`, `settled` (it had ended before), `canceled` (it has ended
        now) or `canceling` (its worker will end it).
        """
        result = await self._eval(
            scripts.CANCEL, scripts.of(job_id), [secrets.token_hex(8)]
        )
        if result == b"canceled":
            await self._withdraw(job_id)
        return result.decode()

    async def _withdraw(self, job_id: str) -> None:
        """Remove an ended job from its queue."""
        await self._eval(_WITHDRAW, [keys.job(job_id), rq_job_key(job_id)], [job_id])

    async def remember(self, queue: str, at: float, announcements: list[str]) -> None:
        """Keep the announcements of a queue's workers for a day. `at` is the time when
        they were seen, by Redis's clock."""
        await self._ask(
            "HSET", keys.REMEMBERED, queue, json.dumps([at, *announcements])
        )
        await self._ask("EXPIRE", keys.REMEMBERED, keys.REMEMBERED_TTL_S)

    async def remembered(self) -> dict[str, list[WorkerInfo]]:
        """Return the workers of each queue as they were last remembered, if that was
        within a day."""
        async with (
            self._within_budget(),
            self._redis.pipeline(transaction=False) as pipe,
        ):
            pipe.time()
            pipe.hgetall(keys.REMEMBERED)
            (now, _), found = _but_for_trouble(await pipe.execute(raise_on_error=False))
        seen = {queue.decode(): json.loads(text) for queue, text in found.items()}
        texts = {
            queue: announcements
            for queue, (at, *announcements) in seen.items()
            if at > now - keys.REMEMBERED_TTL_S
        }
        workers = self._remembered.read(
            text for announcements in texts.values() for text in announcements
        )
        return {
            queue: [worker for worker in workers if worker.queue == queue]
            for queue in texts
        }

    async def asleep(self) -> dict[str, float]:
        """Return the jobs in `keys.ASLEEP`, the earliest to fail first: id and the time
        at which it fails."""
        found = await self._ask("ZRANGE", keys.ASLEEP, 0, -1, "WITHSCORES")
        return {
            job_id.decode(): float(at)
            for job_id, at in zip(found[::2], found[1::2], strict=True)
        }

    async def wake(self, job_ids: Sequence[str]) -> None:
        """Remove jobs from `keys.ASLEEP`."""
        if job_ids:
            await self._ask("ZREM", keys.ASLEEP, *job_ids)

    async def fail_asleep(self, job_id: str, error: JobError) -> None:
        """Fail a job in `keys.ASLEEP` that no worker has begun. It leaves the queue."""
        await self._eval(
            _FAIL_ASLEEP, scripts.of(job_id), [job_id, error.model_dump_json()]
        )
        await self._withdraw(job_id)
        await self.wake([job_id])

    async def delete(self, job_id: str) -> bool:
        """Delete an ended job except for its tombstone. Returns False, and deletes
        nothing, if it has not ended."""
        names = [
            keys.job(job_id),
            keys.events(job_id),
            keys.image(job_id),
            keys.packed_entries(job_id),
        ]
        return bool(await self._eval(_FORGET, names, []))

    async def entries(self, job_id: str) -> list[Entry]:
        """Return all entries of a job so far. Raises OtherVersionJobError if a later
        version packed them."""
        return await self._entries(job_id, "XRANGE", "-", "+")

    async def entries_after(self, job_id: str, seq: int) -> list[Entry]:
        """Return the entries with numbers greater than `seq`: those in the next BATCH
        entries of the stream, or all if they are packed. Raises OtherVersionJobError if
        a later version packed them."""
        found = await self._entries(job_id, "XRANGE", f"({seq}-0", "+", "COUNT", BATCH)
        return [entry for entry in found if entry.seq > seq]

    async def picture(self, job_id: str, field: str) -> bytes | None:
        """Return one field of `keys.image`; None if the job does not have it. Raises
        OtherVersionJobError if a later version packed it."""
        found, value = await self._ask("HMGET", keys.image(job_id), field, PICTURES)
        try:
            return unpacked_picture(value, field) if value else found
        except UnpackableError as error:
            raise _of_later_version(job_id, error) from error

    async def pictures(self, job_id: str) -> dict[str, bytes]:
        """Return all fields of `keys.image` as they are stored, packed or not."""
        async with self._within_budget():
            return {
                name.decode(): data
                for name, data in (
                    await self._redis.hgetall(keys.image(job_id))
                ).items()
            }

    async def newest(self, job_id: str) -> Entry | None:
        """Return the last of the job's entries so far; None if there is none. Raises
        OtherVersionJobError if a later version packed them."""
        found = await self._entries(job_id, "XREVRANGE", "+", "-", "COUNT", 1)
        return found[-1] if found else None

    async def _entries(
        self, job_id: str, command: str, *words: str | int
    ) -> list[Entry]:
        """Return the entries that a command finds in the job's stream, or all if they
        are packed."""
        if found := await self._ask(command, keys.events(job_id), *words):
            return entries_of(found)
        value = await self._ask("GET", keys.packed_entries(job_id))
        try:
            return unpacked(value) if value else []
        except UnpackableError as error:
            raise _of_later_version(job_id, error) from error

    async def due_for_packing(self, most: int, after_s: float) -> list[str]:
        """Return the ids of up to `most` jobs that ended more than `after_s` seconds
        ago and are not packed. They become due again after a minute."""
        return [
            job_id.decode()
            for job_id in await self._eval(_PACKING_DUE, [], [most, after_s])
        ]

    async def pack(
        self, job_id: str, seq: int, entries: bytes, pictures: bytes
    ) -> None:
        """Replace what is kept of an ended job by packed values.

        seq: number of the last entry in `entries`. If the stream has another last entry
            by now, it stays.
        entries, pictures: the packed values; an empty one replaces nothing.
        """
        names = [
            keys.job(job_id),
            keys.events(job_id),
            keys.packed_entries(job_id),
            keys.image(job_id),
        ]
        await self._eval(_PACK, names, [job_id, seq, entries, pictures, PICTURES])

    async def kept_address(self, name: str) -> bytes | None:
        """Return the file of a picture by address, and note its use; None if it is not
        kept. `name` is one of `keys.ADDRESSES`."""
        return await self._eval(_KEPT_ADDRESS, [], [name])

    async def keep_address(self, name: str, file: bytes, budget: int) -> None:
        """Keep the file of a picture by address, and drop the least recently used ones
        while all of them exceed `budget` bytes. A larger file is not kept."""
        await self._eval(_KEEP_ADDRESS, [], [name, file, budget])

    async def forget_addresses(self, model: str) -> None:
        """Delete all pictures by address of a model."""
        await self._eval(_FORGET_ADDRESSES, [], [model])

    async def not_open(self, job_ids: Sequence[str]) -> list[str]:
        """Return those of the jobs that have ended or are gone."""
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
        """Take up to `most` webhooks that are to be called now.

        delays_s: seconds after which a webhook becomes due again, by attempt. The last
            one is repeated.
        calls: number of calls in progress, by host and by receiver (host with path).
        most_of_host: number of calls to one host that may be in progress; half of it to
            one receiver.
        """
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
        """Call a job's webhook no more.

        outcome: `delivered` or `given-up`, kept in the job's record; empty if it can
            never be called.
        """
        await self._eval(_WEBHOOK_OVER, [], [job_id, outcome])

    async def status(self, job_id: str) -> str | None:
        """Return the job's status, a JobStatus; None if there is no record of it."""
        status = await self._ask("HGET", keys.job(job_id), "status")
        return None if status is None else status.decode()

    async def exists(self, job_id: str) -> bool:
        """True if there is a record of the job."""
        return bool(await self._ask("EXISTS", keys.job(job_id)))

    async def unblock(self, connection_id: int) -> None:
        """Wake the connection with this id, which Redis gave it, if it waits in a
        blocking read."""
        await self._ask("CLIENT", "UNBLOCK", connection_id)

    async def workers(self) -> list[WorkerInfo]:
        """Return the announcements of live workers, latest started first. Announcements
        of other versions are left out if they cannot be read."""
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

    async def open_jobs(self, count: int) -> list[JobRead]:
        """Return up to `count` open jobs of all owners, the oldest first."""
        tickets = await self._ask("ZRANGE", keys.OPEN, 0, count - 1)
        return await self.records([ticket.decode().split(":")[1] for ticket in tickets])

    async def close_queue(self) -> None:
        """Stop new jobs, until `reopen_queue`."""
        await self._ask("SET", keys.CLOSED, 1, "EX", keys.ACTIVE_TTL_S)

    async def reopen_queue(self) -> None:
        await self._ask("DEL", keys.CLOSED)

    async def usage(self, days: int) -> list[OwnerUsage]:
        """Return the usage of the last `days` days, today first, by owner."""
        today = int(time.time()) // _DAY_S
        async with (
            self._within_budget(),
            self._redis.pipeline(transaction=False) as pipe,
        ):
            for day in range(today, today - days, -1):
                pipe.hgetall(f"{keys.USAGE}{day}")
            hashes = _but_for_trouble(await pipe.execute(raise_on_error=False))
        found: list[OwnerUsage] = []
        for ago, counts in enumerate(hashes):
            owners = {name.decode().partition(":")[2] for name in counts}
            for owner in sorted(owners):
                images, values, seconds = (
                    float(counts.get(f"{what}:{owner}".encode(), 0))
                    for what in ("images", "values", "seconds")
                )
                found.append(
                    OwnerUsage(today - ago, owner, int(images), int(values), seconds)
                )
        return found

    async def drain(self, name: str, started_at: float) -> None:
        """Ask a worker to take no more jobs until `undrain`. A later worker of this
        name is not asked."""
        await self._ask(
            "SET", keys.drain(name), repr(started_at), "EX", keys.ACTIVE_TTL_S
        )

    async def undrain(self, name: str) -> None:
        await self._ask("DEL", keys.drain(name))

    async def held(self, queues: Iterable[str]) -> dict[str, list[int]]:
        """Return the jobs that workers hold: the values that each still has to draw, by
        the worker's name.

        queues: names of the workers' queues.
        """
        leases: list[bytes] = []
        for queue in queues:
            leases += await self._ask("ZRANGE", f"{keys.RQ_STARTED}{queue}", 0, -1)
        job_ids = [lease.decode(errors="replace").partition(":")[0] for lease in leases]
        async with (
            self._within_budget(),
            self._redis.pipeline(transaction=False) as pipe,
        ):
            for job_id in job_ids:
                pipe.hget(rq_job_key(job_id), "worker_name")
                pipe.hmget(keys.job(job_id), "work", "rows_done", "rows_total")
            answers = _but_for_trouble(await pipe.execute(raise_on_error=False))
        found: dict[str, list[int]] = {}
        for name, counts in zip(answers[::2], answers[1::2], strict=True):
            if isinstance(name, bytes) and isinstance(counts, list):
                work, done, total = (int(count or 0) for count in counts)
                left = work - work * done // total if total else work
                found.setdefault(name.decode(), []).append(left)
        return found

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
        """Read all counters at one moment."""
        (
            now,
            queues,
            since,
            parked,
            open_jobs,
            closed,
            counts,
            *hashes,
        ) = await self._eval(_FLEET, [QUEUES_KEY], [])
        work, accepted, room, written = counts
        drawn, busy, took, first_rows, totals, trained = (
            {k.decode(): v for k, v in zip(h[::2], h[1::2], strict=True)}
            for h in hashes
        )
        return Load(
            now=float(now),
            queues={
                name.decode(): QueueLoad(waiting, held, int(values))
                for name, waiting, held, values in queues
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
            closed=bool(closed),
        )

    async def refusal(self) -> str:
        """Return the reason why the server takes no writes, in its own words; empty if
        it takes them."""
        try:
            await self._ask("SET", keys.PROBE, 1, "EX", keys.ANNOUNCE_TTL_S)
        except redis_connections.StoreRefusesError as error:
            return str(error)
        return ""

    async def server(self) -> ServerState:
        """Return the state of Redis. Raises StoreRefusesError if it is a cluster, and
        BusyLoadingError while it loads its data."""
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
        words = (len(script_keys), *script_keys, *arguments)
        async with self._within_budget():
            try:
                # A script is many times as long as its arguments.
                return await self._redis.execute_command(
                    "EVALSHA", digest_of(script), *words
                )
            except redis_errors.NoScriptError:
                return await self._redis.execute_command("EVAL", script, *words)

    async def _ask(self, *words: str | int) -> Any:
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
