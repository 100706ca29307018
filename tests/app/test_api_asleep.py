"""PIXELRNN_ASLEEP: jobs are accepted while no worker runs, and fail if none comes."""

from collections.abc import Iterator

import httpx
import pytest

from app.queue_entry import queue_key
from tests.app.hand_worker import GREY, HandWorker, eventually
from tests.app.holders import SAMPLE, settings
from tests.app.live import serving
from worker.contract import keys

COLOUR_SAMPLE = {"model": "colour"}


@pytest.fixture
def asleep(redis_url: str, worker: HandWorker) -> Iterator[httpx.Client]:
    """Speaks to one of two APIs, which have seen a worker and one of its jobs before it left."""
    wanted = settings(redis_url, api_keys=(), asleep=True, asleep_s=4)
    with (
        serving(wanted),
        serving(wanted) as (url, _),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        eventually(lambda: worker.redis.exists(keys.REMEMBERED))
        yield client


def _posted(client: httpx.Client, body: dict[str, str]) -> str:
    answer = client.post("/sample", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()["links"]["self"]


def _status(client: httpx.Client, link: str) -> str:
    return client.get(link).json()["status"]


def test_job_accepted_in_sleep_fails_once_if_no_worker_comes(
    asleep: httpx.Client, worker: HandWorker
) -> None:
    """And leaves the queue. A job accepted while a worker was alive waits on."""
    before = _posted(asleep, SAMPLE)
    worker.leave()
    ready = asleep.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "asleep")
    job = _posted(asleep, COLOUR_SAMPLE)
    assert asleep.get(job).json()["waits_for"] == "a worker is being started"
    eventually(lambda: _status(asleep, job) == "failed")
    assert asleep.get(job).json()["error"]["type"] == "no-worker"
    assert worker.redis.xlen(keys.events(job.rpartition("/")[2])) == 1
    eventually(lambda: not worker.redis.exists(keys.ASLEEP))
    assert worker.redis.llen(queue_key()) == 1
    worker.announce()
    worker.draw()
    assert _status(asleep, before) == "succeeded"


def test_worker_that_comes_saves_the_jobs_that_it_can_do(
    asleep: httpx.Client, worker: HandWorker
) -> None:
    """Even if it leaves again; a job for other weights fails."""
    worker.leave()
    saved, lost = _posted(asleep, SAMPLE), _posted(asleep, COLOUR_SAMPLE)
    worker.announce(GREY)
    eventually(lambda: worker.redis.zcard(keys.ASLEEP) == 1)
    worker.leave()
    eventually(lambda: _status(asleep, lost) == "failed")
    assert _status(asleep, saved) == "queued"
    worker.draw()
    assert _status(asleep, saved) == "succeeded"


def test_nothing_is_accepted_for_models_that_no_worker_has_had(
    asleep: httpx.Client, worker: HandWorker
) -> None:
    """As without the setting, if no worker was ever seen."""
    worker.leave()

    def is_refused() -> bool:
        worker.redis.delete(keys.REMEMBERED)  # an API may be writing it yet
        return asleep.post("/sample", json=SAMPLE).status_code == 503

    eventually(is_refused)
    assert asleep.post("/sample", json=SAMPLE).json()["type"].endswith("no-worker")
    assert asleep.get("/readyz").status_code == 503
