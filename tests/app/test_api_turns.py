"""Whose job is next: owners take turns, interactive and bulk jobs as 4 to 1, and each line is first in, first out."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.queue_entry import queue_key
from tests.app.hand_worker import HandWorker
from tests.app.holders import ALICE, BOB, SAMPLE, settings
from tests.app.live import speaking
from worker.contract import keys


@pytest.fixture
def client(redis_url: str, worker: HandWorker) -> Iterator[httpx.Client]:
    given = settings(redis_url, client_rate=1e6)
    with speaking(given) as speaker:
        yield speaker


def submit(
    client: httpx.Client, key: dict[str, str], priority: str = "interactive"
) -> dict[str, Any]:
    answer = client.post("/sample", headers=key, json=SAMPLE | {"priority": priority})
    return answer.raise_for_status().json()


def line(worker: HandWorker) -> str:
    """Whose jobs wait: `a`lice's or `b`ob's, capital where they are bulk, next one first."""
    names = ""
    for job_id in worker.redis.lrange(queue_key(), 0, -1):
        owner, spec = worker.redis.hmget(keys.job(job_id.decode()), "client", "spec")
        name = owner.decode()[0]
        names += name.upper() if b'"bulk"' in spec else name
    return names


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("aaaaaab", "abaaaaa"),
        ("aaabbb", "ababab"),
        ("aaaaaaA", "aaaaAaa"),
        ("AAAaaaaaa", "aaaAaaaAA"),
        ("AAbbbbbbbbbb", "bbbAbbbbAbbb"),
        ("aaaaaaBB", "aaaaBaaB"),
    ],
)
def test_jobs_stand_in_the_order_of_their_turns(
    client: httpx.Client, worker: HandWorker, sent: str, expected: str
) -> None:
    """Capitals are bulk. The answer tells each job its place, and each line keeps its order."""
    jobs = []
    for owner in sent:
        job = submit(
            client,
            ALICE if owner in "aA" else BOB,
            "bulk" if owner.isupper() else "interactive",
        )
        place = worker.redis.lpos(queue_key(), job["id"])
        assert job["position"] == place + 1
        jobs.append((owner, job["id"]))
    assert line(worker) == expected
    waiting = [name.decode() for name in worker.redis.lrange(queue_key(), 0, -1)]
    for owner in set(sent):
        sent_ids = [job_id for name, job_id in jobs if name == owner]
        assert [job_id for job_id in waiting if job_id in sent_ids] == sent_ids


def test_one_who_sends_one_by_one_takes_turns_with_one_who_sent_many(
    client: httpx.Client, worker: HandWorker
) -> None:
    """A newcomer each time, and yet every other turn is the other's: nobody waits for ever."""
    for _ in range(4):
        submit(client, ALICE)
    drawn = []
    for _ in range(4):
        submit(client, BOB)
        for _ in range(2):
            job_id = worker.draw().id
            drawn.append(worker.redis.hget(keys.job(job_id), "client").decode())
    assert drawn.count("alice") == drawn.count("bob") == 4
    assert drawn[:2] == ["alice", "bob"]


def test_canceled_jobs_cost_no_turns(client: httpx.Client, worker: HandWorker) -> None:
    """Many were sent by mistake and canceled: the next one does not wait for their turns."""
    for _ in range(5):
        submit(client, ALICE)
    for job in [submit(client, BOB) for _ in range(20)]:
        client.post(f"{job['links']['self']}/cancel", headers=BOB).raise_for_status()
    assert line(worker) == "aaaaa"
    submit(client, BOB)
    assert line(worker) == "abaaaa"


def test_job_that_goes_first_stays_first(
    client: httpx.Client, worker: HandWorker
) -> None:
    """One that was interrupted stands before all turns, also before an owner who is new."""
    submit(client, ALICE)
    submit(client, ALICE)
    interrupted = worker.take().id
    worker.redis.lpush(queue_key(), interrupted)
    newcomer = submit(client, BOB)
    assert newcomer["position"] == 3
    assert worker.redis.lindex(queue_key(), 0).decode() == interrupted
    assert line(worker) == "aab"


def test_jobs_of_an_api_of_earlier_are_taken_and_keep_their_place(
    client: httpx.Client, worker: HandWorker
) -> None:
    """It puts them at the end of RQ's list, or at its front; they have no turns, and those of others stay in order."""
    for _ in range(3):
        submit(client, ALICE)
    for job_id, push in (("old-1", worker.redis.rpush), ("old-2", worker.redis.lpush)):
        push(queue_key(), job_id)
    submit(client, ALICE)
    submit(client, BOB)
    waiting = [name.decode() for name in worker.redis.lrange(queue_key(), 0, -1)]
    owners = [
        worker.redis.hget(keys.job(name), "client") or name.encode() for name in waiting
    ]
    assert owners == [
        b"old-2",
        b"alice",
        b"bob",
        b"alice",
        b"alice",
        b"old-1",
        b"alice",
    ]


def test_nothing_is_kept_of_lines_whose_turns_are_over(
    client: httpx.Client, worker: HandWorker
) -> None:
    """However many clients come and go."""
    for key in (ALICE, BOB, ALICE, BOB):
        submit(client, key)
        worker.draw()
    submit(client, ALICE)
    lines = {name for name, _ in worker.redis.zscan_iter(keys.turns(keys.QUEUE))}
    assert lines == {
        b"now",
        b"interactive:alice",
        b"interactive:bob",
    }  # hers waits; bob's was the latest
    worker.draw()
    submit(client, ALICE)
    assert worker.redis.zcard(keys.turns(keys.QUEUE)) == 2


def test_metrics_tell_how_long_first_rows_were_waited_for(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Each job once, with its first row: one of a hundred seconds ago waited for more than 64 and less than 128."""
    for _ in range(2):
        job_id = submit(client, ALICE)["id"]
        worker.redis.hincrbyfloat(keys.job(job_id), "created_at", -100)
    spec = worker.take()
    worker.rows(spec, (0, 0))
    worker.rows(spec, (0, 1), (0, 2))
    told = client.get("/metrics", headers=ALICE).text
    for line in (
        'bucket{le="64.0"} 0.0',
        'bucket{le="128.0"} 1.0',
        'bucket{le="+Inf"} 1.0',
        "count 1.0",
    ):
        assert f"pixelrnn_first_row_seconds_{line}" in told
    assert (
        100 <= float(told.split("pixelrnn_first_row_seconds_sum ")[1].split()[0]) < 128
    )
