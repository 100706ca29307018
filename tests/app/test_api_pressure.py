"""What is not taken when there is too much, and when to come back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from PIL import Image

from app.queue_entry import queue_key
from app.settings import Settings
from tests.app.answers import is_problem, metric, submit_sample
from tests.app.hand_worker import COLOUR, GREY, HandWorker
from tests.app.live import speaking
from tests.app.pictures import png
from tests.archives import zipped
from worker.contract import keys

SAMPLE = {"model": "grey"}


@contextmanager
def server(redis_url: str, **settings: Any) -> Iterator[httpx.Client]:
    given = Settings(redis_url=redis_url, port=0, fleet_age_s=0, **settings)
    with speaking(given) as client:
        yield client


def refused(answer: httpx.Response, status: int, slug: str) -> int:
    """Seconds of Retry-After."""
    assert is_problem(answer, status)["type"] == f"urn:pixelrnn:problem:{slug}"
    return int(answer.headers["retry-after"])


def measured(worker: HandWorker, values_per_s: int) -> None:
    """As if so much had been drawn in the last seconds."""
    span = int(worker.redis.time()[0]) // keys.DRAWN_SPAN_S
    worker.redis.hset(keys.DRAWN, str(span - 1), values_per_s * keys.DRAWN_SPAN_S)


def test_answer_is_503_when_the_queue_has_its_number(
    redis_url: str, worker: HandWorker
) -> None:
    """Retry-After is the time in which a job gets done; room is taken as soon as a worker takes a job."""
    with server(redis_url, queue_jobs=2) as client:
        assert [client.post("/sample", json=SAMPLE).status_code for _ in range(2)] == [
            202,
            202,
        ]
        assert refused(client.post("/sample", json=SAMPLE), 503, "queue-full") == 5
        measured(worker, values_per_s=4)
        assert refused(client.post("/sample", json=SAMPLE), 503, "queue-full") == 3
        assert worker.redis.llen(queue_key()) == 2
        worker.draw()
        assert client.post("/sample", json=SAMPLE).status_code == 202


def test_answer_is_503_when_the_queue_has_its_work(
    redis_url: str, worker: HandWorker
) -> None:
    """Work counts, not only jobs: few large ones are as much as many small. Alone, a job of any size is taken."""
    with server(redis_url, queue_work=100) as client:
        assert client.post("/sample", json=SAMPLE | {"n": 20}).status_code == 202
        measured(worker, values_per_s=10)
        assert refused(client.post("/sample", json=SAMPLE), 503, "queue-full") == 24
        worker.draw()
        assert client.post("/sample", json=SAMPLE).status_code == 202


def test_answer_is_429_when_a_client_is_too_fast(
    redis_url: str, worker: HandWorker
) -> None:
    """A few at once, then at the rate; Retry-After is when the next one may come, and a refused one costs nothing."""
    with server(redis_url, client_rate=0.25) as client:
        assert client.post("/sample", json=SAMPLE).status_code == 202
        for _ in range(3):
            assert refused(
                client.post("/sample", json=SAMPLE), 429, "too-many-requests"
            ) in (1, 2, 3, 4)
        eventually = time.monotonic() + 30
        while client.post("/sample", json=SAMPLE).status_code != 202:
            assert time.monotonic() < eventually
            time.sleep(0.1)


def test_answer_is_429_when_a_client_has_its_jobs(
    redis_url: str, worker: HandWorker
) -> None:
    """Open ones count; those that have ended do not."""
    with server(redis_url, client_jobs=2) as client:
        links = [submit_sample(client)["links"]["self"] for _ in range(2)]
        refused(client.post("/sample", json=SAMPLE), 429, "too-many-open-jobs")
        client.post(f"{links[0]}/cancel")
        assert client.post("/sample", json=SAMPLE).status_code == 202


def test_client_is_told_what_it_may_still_hand_in(
    redis_url: str, worker: HandWorker
) -> None:
    """Both of its allowances, as numbers, until they are spent; a request that came before costs nothing."""
    with server(redis_url, client_rate=0.01, client_jobs=512) as client:
        first = client.post("/sample", json=SAMPLE, headers={"Idempotency-Key": "k"})
        policy = '"jobs";q=1;w=100, "open-jobs";q=512;qu="concurrent-requests"'
        assert first.headers["ratelimit-policy"] == policy
        assert first.headers["ratelimit"] == '"jobs";r=0;t=100, "open-jobs";r=511'
        assert (
            "ratelimit"
            not in client.post(
                "/sample", json=SAMPLE, headers={"Idempotency-Key": "k"}
            ).headers
        )
        spent = client.post("/sample", json=SAMPLE)
        assert (spent.status_code, spent.headers["ratelimit-policy"]) == (429, policy)
        jobs, _, open_jobs = spent.headers["ratelimit"].partition(", ")
        assert jobs.startswith('"jobs";r=0;t=')
        assert (
            90 <= int(jobs.rpartition("=")[2]) <= int(spent.headers["retry-after"]) + 1
        )
        assert open_jobs == '"open-jobs";r=511'
    worker.redis.flushall()
    worker.announce()
    with server(redis_url, client_rate=4, client_jobs=2) as client:
        answers = [client.post("/sample", json=SAMPLE) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert [answer.headers["ratelimit"].rpartition("=")[2] for answer in answers] == [
        "1",
        "0",
        "0",
    ]
    assert all(
        '"jobs";q=8;w=2' in answer.headers["ratelimit-policy"] for answer in answers
    )


def test_memory_is_guarded_when_redis_has_no_limit(
    redis_url: str, worker: HandWorker
) -> None:
    """By what its machine has: a server that the kernel kills for memory serves nobody."""
    assert worker.redis.info("memory")["maxmemory"] == 0
    with server(redis_url, redis_share=1e-9) as client:
        refused(client.post("/sample", json=SAMPLE), 503, "store-full")
    with server(redis_url) as client:
        assert client.post("/sample", json=SAMPLE).status_code == 202
        told = metric(client, "pixelrnn_redis_limit_bytes")
    assert told == worker.redis.info("memory")["total_system_memory"]


def test_nothing_is_left_when_a_job_is_refused(
    redis_url: str, worker: HandWorker
) -> None:
    """All or nothing: no record, no entry, no ticket, no promise of the Idempotency-Key."""
    with server(redis_url, client_jobs=1) as client:
        client.post("/sample", json=SAMPLE)
        before = sorted(worker.redis.keys("*"))
        answer = client.post("/sample", json=SAMPLE, headers={"Idempotency-Key": "k"})
        assert answer.status_code == 429
        assert sorted(worker.redis.keys("*")) == before


@pytest.mark.parametrize(
    "load", [{}, {"client_rate": 0.001}, {"client_jobs": 1}, {"queue_jobs": 1}]
)
def test_known_key_is_answered_when_there_is_no_room(
    redis_url: str, worker: HandWorker, load: dict[str, Any]
) -> None:
    """A client that repeats a request is not one more."""
    with server(redis_url, **load) as client:
        first = client.post("/sample", json=SAMPLE, headers={"Idempotency-Key": "k"})
        again = client.post("/sample", json=SAMPLE, headers={"Idempotency-Key": "k"})
        assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])


def test_job_waits_for_those_who_hold_its_model_when_there_are_several_queues(
    redis_url: str, worker: HandWorker, client: httpx.Client
) -> None:
    """Each group of workers has a queue of its own; a model that several hold goes where fewest wait."""
    worker.announce(GREY)
    painter = HandWorker(redis_url, "w2", queue="painters")
    painter.announce(GREY, COLOUR, started_at=2.0)
    jobs = [submit_sample(client, model=name) for name in ("colour", "colour", "grey")]
    assert [job["position"] for job in jobs] == [1, 2, 1]
    assert "pixelrnn_queue_depth 3.0" in client.get("/metrics").text
    assert client.get(jobs[1]["links"]["self"]).json()["position"] == 2
    client.post(f"{jobs[0]['links']['self']}/cancel")
    assert client.get(jobs[1]["links"]["self"]).json()["position"] == 1
    assert (worker.take().id, painter.take().id) == (jobs[2]["id"], jobs[1]["id"])
    assert worker.redis.llen(queue_key("painters")) == 0


def test_full_queue_refuses_no_job_of_another_queue(
    redis_url: str, worker: HandWorker
) -> None:
    """Jobs that wait for slow workers take no place of those that others draw."""
    worker.announce(GREY)
    HandWorker(redis_url, "w2", queue="painters").announce(COLOUR, started_at=2.0)
    with server(redis_url, queue_jobs=2) as client:
        colour = {"model": "colour"}
        answers = [client.post("/sample", json=colour) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202, 202, 503]
        assert client.post("/sample", json=SAMPLE).status_code == 202


def test_client_is_not_shut_out_when_the_clock_steps_back(
    redis_url: str, worker: HandWorker
) -> None:
    """By an hour, with nothing left of its allowance: it need not wait for that hour."""
    with server(redis_url, client_rate=0.01) as client:
        assert client.post("/sample", json=SAMPLE).status_code == 202
        refused(client.post("/sample", json=SAMPLE), 429, "too-many-requests")
        (bucket,) = worker.redis.keys(keys.allowance("*"))
        an_hour_ahead = float(worker.redis.hget(bucket, "at")) + 3600
        worker.redis.hset(bucket, "at", an_hour_ahead)
        assert client.post("/sample", json=SAMPLE).status_code == 202
        refused(client.post("/sample", json=SAMPLE), 429, "too-many-requests")
        assert float(worker.redis.hget(bucket, "at")) < an_hour_ahead - 3000


def test_refused_request_counts_when_its_picture_was_decoded(
    redis_url: str, worker: HandWorker
) -> None:
    """Decoding is most of what a call costs. What is refused before it stays free, and
    what came before is still answered."""
    picture = png(Image.new("L", (4, 3), 200))
    nothing_to_fill = {"image": picture, "mask": png(Image.new("L", (4, 3), 0))}
    archive = zipped({"a.png": picture, "b.png": b"no picture"})
    with server(redis_url, client_rate=0.01) as client:

        def refusals(call: str, model: str, **files: bytes) -> list[int]:
            data = {"model": model}
            answers = [client.post(call, data=data, files=files) for _ in range(3)]
            return [answer.status_code for answer in answers]

        assert refusals("/complete", "unknown", **nothing_to_fill) == 3 * [404]
        assert refusals("/complete", "grey", **nothing_to_fill) == [422, 429, 429]
        worker.redis.flushall()
        worker.announce()
        assert refusals("/score", "grey", image=archive) == [422, 429, 429]
        worker.redis.flushall()
        worker.announce()
        assert client.post("/sample", json=SAMPLE).status_code == 202
