"""What RQ is told of jobs that ended, beside what RQ itself writes."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from rq.executions import Execution

from tests.worker.harness import Client
from worker.contract import keys
from worker.orders.claims import CANCELED, SUCCEEDED, Claim, Outcome
from worker.queue.ending import Ending
from worker.queue.held import Held
from worker.queue.rq_job import SERIALIZER, DrawJob
from worker.queue.rq_worker import RqWorker

CHANGES = re.compile(rb"[0-9a-f]{32}|\d{4}-\d\d-\d\dT[\d:.]+Z|\d{13}-\d|\d{9,}(\.\d+)?|\b0\.\d+(e-\d+)?\b")
"""Tokens, times and spans, which no two runs share."""


@pytest.fixture
def rq(client: Client) -> RqWorker:
    rq = RqWorker(keys.QUEUE, client.redis, "w")
    rq.register_birth()
    return rq


@pytest.fixture
def held(rq: RqWorker) -> Held:
    return Held(rq, max_jobs=8)


def begin(client: Client, held: Held, job_id: str) -> Execution:
    client.redis.lmove(client.queue.key, client.queue.intermediate_queue_key)
    job = DrawJob.fetch(job_id, connection=client.redis, serializer=SERIALIZER)
    assert isinstance(job, DrawJob)
    return held.take(job)[0]


def books(client: Client) -> dict[str, Any]:
    """All that RQ has written, without what differs in any case."""
    found = {}
    for key in sorted(client.redis.keys("rq:*")):
        read: dict[bytes, Callable[[Any], Any]] = {
            b"hash": client.redis.hgetall,
            b"zset": lambda key: client.redis.zrange(key, 0, -1, withscores=True),
            b"set": client.redis.smembers,
            b"list": lambda key: client.redis.lrange(key, 0, -1),
            b"stream": client.redis.xrange,
            b"string": client.redis.get,
        }
        value = read[client.redis.type(key)](key)
        lives_s = client.redis.ttl(key)
        found[_stable(key)] = (_stable(value), lives_s if lives_s < 0 else round(lives_s / 10))
    return found


def _stable(value: Any) -> str:
    return CHANGES.sub(b"*", repr(value).encode()).decode()


@pytest.mark.parametrize("outcome", [SUCCEEDED, CANCELED], ids=["succeeded", "canceled"])
def test_books_are_as_rq_itself_would_keep_them(client: Client, rq: RqWorker, held: Held, outcome: Outcome) -> None:
    """Its own way asks Redis three times before it writes; ours writes the same."""
    spec = client.submit()
    execution = begin(client, held, spec.id)
    job = execution._job
    assert job is not None
    assert outcome.status is not None
    rq._finalize_success(job, rq.queue, execution, outcome.status.value)
    by_rq = books(client)

    client.redis.flushall()
    rq.register_birth()
    again = client.submit(id=spec.id)
    ours = begin(client, held, again.id)
    Ending(rq, held, release=lambda _: False).finish([(Claim(again.id, ours.id, last_seq=0), outcome)])
    assert books(client) == by_rq


def test_several_ends_are_told_in_one_round_trip(client: Client, rq: RqWorker, held: Held) -> None:
    """A claim that is over already, of a job that others have, changes nothing."""
    specs = [client.submit() for _ in range(3)]
    claims = [Claim(spec.id, begin(client, held, spec.id).id, last_seq=0) for spec in specs]
    before = client.redis.info("stats")["total_reads_processed"]
    Ending(rq, held, release=lambda _: False).finish([(claim, SUCCEEDED) for claim in [*claims, Claim("x", "y", 0)]])
    assert client.redis.info("stats")["total_reads_processed"] <= before + 2  # the second one is this question
    assert len(held) == 0
    assert sorted(client.queue.finished_job_registry.get_job_ids()) == sorted(spec.id for spec in specs)
    assert client.redis.hget(rq.key, "successful_job_count") == b"3"
    assert not any(client.leftovers().values())
