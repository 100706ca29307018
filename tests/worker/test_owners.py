"""Owners of jobs take turns: the API and a worker's process, real ones, and two holders of keys."""

from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest

from tests.app.holders import ALICE, BOB, settings
from tests.app.live import serving
from tests.worker.harness import Client, StartWorker, wait_for
from worker.contract import keys

MANY = 300


@pytest.fixture
def url(redis_url: str) -> Iterator[str]:
    with serving(settings(redis_url, client_rate=1e6, client_jobs=MANY)) as (url, _):
        yield url


def submit(url: str, key: dict[str, str], count: int, **options: object) -> list[str]:
    """Ids of so many jobs of this key."""
    with httpx.Client(base_url=url, headers=key, timeout=60) as client:
        answers = [
            client.post("/sample", json={"model": "tiny-cnn", **options})
            for _ in range(count)
        ]
    return [answer.raise_for_status().json()["id"] for answer in answers]


def begun(client: Client, ids: Sequence[str]) -> dict[str, float]:
    """When each of these jobs began; those that wait are left out."""
    pipeline: Any = client.redis.pipeline()
    for job_id in ids:
        pipeline.hget(keys.job(job_id), "started_at")
    answers = zip(ids, pipeline.execute(), strict=True)
    return {job_id: float(at) for job_id, at in answers if at}


@pytest.mark.parametrize(
    ("images", "held", "threads"), [(1, 1, 1), (8, 4, 1), (8, 4, 4)]
)
def test_an_owner_of_one_job_waits_for_two_others_at_most_when_another_has_300(
    url: str,
    client: Client,
    start_worker: StartWorker,
    images: int,
    held: int,
    threads: int,
) -> None:
    """Also where large jobs of that owner fill the worker, which would take long to draw
    them. With the slots of several threads, jobs end with the same step, and others begin
    together with the one."""
    slots = 1 if threads == 1 else 4 * threads  # or there would be fewer threads
    start_worker(
        slots=slots,
        express_slots=0,
        max_jobs=held,
        step_delay_s=0.1,
        draw_threads=threads,
    )
    others = submit(url, ALICE, MANY, n=images)
    wait_for(lambda: len(begun(client, others)) >= held, "a full worker")
    (one,) = submit(url, BOB, 1)
    before = begun(client, others)
    wait_for(lambda: client.rows(one), "the first row")
    at = begun(client, [one])[one]
    since = {
        job_id: its
        for job_id, its in begun(client, others).items()
        if job_id not in before
    }
    assert sum(its < at for its in since.values()) <= 2
    assert len(since) <= (2 if threads == 1 else 2 + held)
