"""GET /jobs, and what a job says of its future."""

import time
from typing import Any

import httpx
import pytest

from tests.app.answers import is_problem, submit_sample
from tests.app.hand_worker import SCORER, HandWorker
from tests.app.pictures import grey, png
from worker.contract import keys


def submit(client: httpx.Client, **fields: Any) -> str:
    return submit_sample(client, **fields)["id"]


def ids(client: httpx.Client, **query: object) -> list[str]:
    return [job["id"] for job in client.get("/jobs", params=query).json()["jobs"]]


def test_pages_hold_every_job_once_when_turned(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The newest first, however small the pages are, and though a new job comes meanwhile."""
    made = [submit(client) for _ in range(7)]
    seen, cursor = [], None
    while True:
        page = client.get(
            "/jobs", params={"limit": 2} | ({"cursor": cursor} if cursor else {})
        ).json()
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        submit(client)
    assert seen == made[::-1]


def test_list_holds_what_matches_when_filtered(
    client: httpx.Client, worker: HandWorker
) -> None:
    """By status, by kind, by both."""
    worker.announce(SCORER)
    drawn = submit(client, model="scorer")
    worker.draw()
    waiting = submit(client, model="scorer")
    files = {"image": png(grey(*[[0] * 3] * 4))}
    scored = client.post("/score", data={"model": "scorer"}, files=files).json()["id"]
    assert ids(client, status="succeeded") == [drawn]
    assert ids(client, kind="score") == [scored]
    assert ids(client, status="queued", kind="sample") == [waiting]
    assert ids(client, status="failed") == []


def test_list_leaves_out_what_is_gone_when_asked(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Deleted and expired jobs; the list forgets them."""
    gone, kept = submit(client), submit(client)
    worker.redis.delete(keys.job(gone))
    assert ids(client) == [kept]
    assert worker.redis.zcard(keys.listed_ids("anyone")) == 1


@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=%00", "limit=0", "limit=201", "status=done", "sort=1"]
)
def test_answer_is_422_when_the_query_is_wrong(
    client: httpx.Client, query: str
) -> None:
    """Of a cursor too that no answer gave."""
    is_problem(client.get(f"/jobs?{query}"), 422)


def test_estimate_follows_the_measured_rate_when_jobs_wait(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Twelve values (4 x 3) drawn a second: the job behind two others comes three times as late as one alone."""
    for _ in range(3):
        submit(client)
    last = client.get("/jobs").json()["jobs"][0]
    assert last["eta_s"] is None
    span = int(time.time()) // keys.DRAWN_SPAN_S
    worker.redis.hset(keys.DRAWN, str(span - 1), 12 * keys.DRAWN_SPAN_S)
    estimates = [job["eta_s"] for job in client.get("/jobs").json()["jobs"]]
    assert estimates == [3.0, 2.0, 1.0]


def test_estimate_counts_only_the_time_in_which_there_was_work(
    client: httpx.Client, worker: HandWorker
) -> None:
    """One small job, done at once, and then nothing for a while: that is not a slow service."""
    begun = time.monotonic()
    submit(client)
    time.sleep(0.5)
    worker.draw()
    busy_s = time.monotonic() - begun
    time.sleep(0.5)
    submit(client)
    (estimate,) = (
        job["eta_s"] for job in client.get("/jobs?status=queued").json()["jobs"]
    )
    assert 0.5 <= estimate < busy_s + 0.4


def test_books_are_even_when_all_jobs_have_ended(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Whatever became of them: nothing is open, and what was drawn is counted."""
    submit(client, n=3)
    worker.draw()
    failed = submit(client)
    spec = worker.take()
    worker.rows(spec, (0, 0))
    worker.settle(spec, "failed")
    client.post(f"/jobs/{submit(client)}/cancel")
    assert failed
    assert worker.redis.zcard(keys.OPEN) == 0
    assert worker.redis.hmget(keys.LOAD, "work", "accepted") == [b"0", b"60"]
    assert not [
        field for field in worker.redis.hkeys(keys.LOAD) if field.startswith(b"of:")
    ]
    assert sum(int(value) for value in worker.redis.hvals(keys.DRAWN)) == 36 + 3
    totals = {
        b"sample:succeeded": b"1",
        b"sample:failed": b"1",
        b"sample:canceled": b"1",
    }
    assert worker.redis.hgetall(keys.TOTALS) == totals


def test_books_forget_a_job_when_nobody_can_end_it_any_more(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Its ticket grows old, and the next job that comes clears it away."""
    lost = submit(client)
    (ticket,) = worker.redis.zrange(keys.OPEN, 0, -1)
    worker.redis.delete(keys.job(lost))
    worker.redis.zadd(keys.OPEN, {ticket: time.time() - keys.ACTIVE_TTL_S - 1})
    submit(client)
    assert worker.redis.zcard(keys.OPEN) == 1
    assert worker.redis.hget(keys.LOAD, "work") == b"12"
