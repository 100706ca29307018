"""How long a job is kept once it has ended: as the request says, and no longer than the operator does."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from PIL import Image

from app.settings import Settings
from tests.app.answers import is_problem, submit_sample
from tests.app.hand_worker import GREY, SCORER, HandWorker
from tests.app.live import speaking
from tests.app.pictures import png
from worker.contract import keys

ASKED: dict[str, dict[str, Any]] = {
    "sample": {"json": {"model": "grey", "retention": 120}},
    "score": {
        "data": {"model": "scorer", "retention": "120"},
        "files": {"image": png(Image.new("L", (3, 4)))},
    },
}


def kept_s(worker: HandWorker, job: dict[str, Any]) -> list[int]:
    """Seconds that are left of the job and of its rows."""
    return [
        worker.redis.ttl(name) for name in (keys.job(job["id"]), keys.events(job["id"]))
    ]


def lasts_s(job: dict[str, Any]) -> timedelta:
    return datetime.fromisoformat(job["expires_at"]) - datetime.fromisoformat(
        job["finished_at"]
    )


@pytest.mark.parametrize("word", ASKED)
def test_job_is_kept_as_long_as_it_was_asked_for(
    client: httpx.Client, worker: HandWorker, word: str
) -> None:
    """Its record, its rows and what it says of itself; its id is known for a week more. Canceled, it is the same."""
    worker.announce(GREY, SCORER)
    for end in ("failed", "canceled"):
        job = client.post(f"/{word}", **ASKED[word]).json()
        if end == "failed":
            worker.settle(worker.take(), "failed")
        else:
            client.post(f"{job['links']['self']}/cancel")
        assert all(110 < left <= 120 for left in kept_s(worker, job))
        assert lasts_s(client.get(job["links"]["self"]).json()) == timedelta(
            seconds=120
        )
        assert worker.redis.ttl(keys.tombstone(job["id"])) > keys.TOMBSTONE_TTL_S


def test_operator_says_how_long_a_job_is_kept_at_most(
    redis_url: str, worker: HandWorker
) -> None:
    """That is what a request gets that says nothing, and what it may not exceed."""
    with speaking(Settings(redis_url=redis_url, port=0, retention_s=90)) as client:
        assert client.get("/info").json()["limits"]["result_ttl_s"] == 90
        job = submit_sample(client)
        worker.draw()
        assert all(80 < left <= 90 for left in kept_s(worker, job))
        for seconds in (91, 59, "90"):
            said = is_problem(
                client.post("/sample", json={"model": "grey", "retention": seconds}),
                422,
            )
            assert "retention" in str(said)
