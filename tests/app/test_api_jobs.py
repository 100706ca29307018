"""Submit, look, wait, cancel, delete."""

import threading

import httpx
import pytest

from app.queue_entry import queue_key, rq_job_key
from app.schema import examples
from app.schema.answers import Job
from tests.app.answers import is_problem, submit_sample
from tests.app.hand_worker import GREY, HandWorker
from tests.app.holders import settings
from tests.app.live import speaking
from worker.contract import keys


def test_job_is_complete_and_queued_when_submitted(
    client: httpx.Client, worker: HandWorker
) -> None:
    """A 202 shows the whole job, its place in the queue and where to look."""
    answer = client.post(
        "/sample", json={"model": "grey", "n": 2, "seed": 7, "temperature": 1}
    )
    job = answer.json()
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    assert (job["kind"], job["status"], job["seed"], job["n"], job["temperature"]) == (
        "sample",
        "queued",
        7,
        2,
        1.0,
    )
    assert (job["height"], job["width"], job["channels"], job["digest"]) == (
        4,
        3,
        1,
        GREY.digest,
    )
    assert (job["rows_done"], job["rows_total"], job["progress"], job["position"]) == (
        0,
        8,
        0.0,
        1,
    )
    assert job["created_at"].endswith("Z")
    for empty in (
        "started_at",
        "finished_at",
        "expires_at",
        "eta_s",
        "error",
        "result",
        "numerics",
    ):
        assert job[empty] is None
    assert client.get(job["links"]["self"]).json() == job
    assert job.keys() == examples.JOB.keys()  # no option of another kind


def test_jobs_have_the_options_of_all_kinds_if_the_operator_says_so(
    redis_url: str, worker: HandWorker
) -> None:
    """As 0.4.0's, in every answer, in lists and in events."""
    full = settings(redis_url, api_keys=(), full_jobs=True)
    with speaking(full) as client:
        job = submit_sample(client)
        assert job.keys() == Job.model_fields.keys()
        assert (job["minutes"], job["cutouts"]) == (None, None)
        (listed,) = client.get("/jobs").json()["jobs"]
        assert listed.keys() == job.keys()
        worker.draw()
        events = client.get(job["links"]["events"]).text
        assert events.count('"minutes":null') == 2  # its snapshot, and its end


def test_seed_is_drawn_and_echoed_when_absent(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Two requests without a seed get two, both within what JSON readers keep exact."""
    seeds = {submit_sample(client)["seed"] for _ in range(5)}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**53 for seed in seeds)


def test_rq_entry_names_the_one_function_when_queued(
    client: httpx.Client, worker: HandWorker
) -> None:
    """RQ itself can read the entry: our function, the job id, JSON, retries, lifetimes."""
    from rq.job import Job

    job = submit_sample(client)
    entry = Job.fetch(job["id"], connection=worker.redis, serializer="json")
    assert (entry.func_name, list(entry.args), entry.origin) == (
        keys.JOB_FUNCTION,
        [job["id"]],
        keys.QUEUE,
    )
    assert (entry.retries_left, entry.timeout) == (keys.CRASHES_FORGIVEN, -1)
    assert entry.result_ttl is not None
    assert entry.failure_ttl is not None


def test_position_counts_from_one_when_jobs_wait(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The next one is 1; a job that a worker took has none."""
    first, second = submit_sample(client), submit_sample(client)
    assert second["position"] == 2
    worker.take()
    assert client.get(first["links"]["self"]).json()["position"] is None
    assert client.get(second["links"]["self"]).json()["position"] == 1


def test_job_shows_progress_and_result_when_drawn(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Rows count up, an estimate appears with the first, and the end has results and a date of expiry."""
    link = submit_sample(client, n=2)["links"]["self"]
    spec = worker.take()
    worker.rows(spec, (0, 0), (1, 0))
    running = client.get(link).json()
    assert (running["status"], running["rows_done"], running["progress"]) == (
        "running",
        2,
        0.25,
    )
    assert running["numerics"] == "by-hand"
    assert running["eta_s"] >= 0
    worker.rows(spec, *((s, y) for y in (1, 2, 3) for s in (0, 1)))
    worker.settle(spec)
    done = client.get(link).json()
    assert (done["status"], done["progress"], done["eta_s"]) == ("succeeded", 1.0, None)
    assert done["result"]["images"] == [
        f"{link}/image?sample=0",
        f"{link}/image?sample=1",
    ]
    assert (
        done["created_at"]
        <= done["started_at"]
        <= done["finished_at"]
        < done["expires_at"]
    )


def test_error_is_shown_when_the_job_failed(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The worker's own words reach the client."""
    link = submit_sample(client)["links"]["self"]
    error = {"type": "urn:x", "title": "Broken", "detail": "the weights are others"}
    worker.settle(worker.take(), "failed", error)
    job = client.get(link).json()
    assert (job["status"], job["error"], job["result"]) == ("failed", error, None)


def test_wait_answers_when_the_job_ends(
    client: httpx.Client, worker: HandWorker
) -> None:
    """A long poll sleeps through rows and returns the finished job."""
    link = submit_sample(client)["links"]["self"]
    drawing = threading.Timer(0.2, worker.draw)
    drawing.start()
    job = client.get(link, params={"wait": 15}).json()
    drawing.join()
    assert job["status"] == "succeeded"


def test_queued_job_ends_and_leaves_the_queue_when_canceled(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Nothing is left for a worker to find, and the job says so at once."""
    job = submit_sample(client)
    answer = client.post(f"{job['links']['self']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "canceled")
    assert worker.redis.llen(queue_key()) == 0
    assert not worker.redis.exists(rq_job_key(job["id"]))


def test_worker_is_told_when_a_running_job_is_canceled(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The next write says so, and the worker ends the job."""
    link = submit_sample(client)["links"]["self"]
    spec = worker.take()
    for _ in range(2):
        answer = client.post(f"{link}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (202, "running")
    assert worker.rows(spec, (0, 0)) == b"canceling"
    worker.settle(spec, "canceled")
    assert client.get(link).json()["status"] == "canceled"


def test_job_of_a_dead_worker_ends_at_once_when_it_is_canceled(
    client: httpx.Client, worker: HandWorker
) -> None:
    """No other worker has to come for that, and the job can be deleted. What the dead
    one had drawn is kept until then."""
    link = submit_sample(client)["links"]["self"]
    spec = worker.take()
    worker.rows(spec, (0, 0))
    worker.die()
    answer = client.post(f"{link}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "canceled")
    assert answer.json()["rows_done"] == 1
    assert worker.rows(spec, (0, 1)) == b"lost"
    assert client.delete(link).status_code == 204


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled"])
def test_job_stays_as_it_is_when_it_is_canceled_too_late(
    client: httpx.Client, worker: HandWorker, status: str
) -> None:
    """200 with the job, however it ended; what was drawn is still there."""
    link = submit_sample(client)["links"]["self"]
    spec = worker.take()
    worker.rows(spec, *((0, y) for y in range(4)))
    worker.settle(spec, status)
    ended = client.get(link).json()
    for _ in range(2):
        answer = client.post(f"{link}/cancel")
        assert (answer.status_code, answer.json()) == (200, ended)
    assert client.get(link).json() == ended
    assert client.get(f"{link}/image").status_code == 200


def test_active_job_is_not_deleted(client: httpx.Client, worker: HandWorker) -> None:
    """409 while it waits and while it is drawn, and nothing happens to it; 204 once it was canceled."""
    link = submit_sample(client)["links"]["self"]
    assert (
        is_problem(client.delete(link), 409)["type"]
        == "urn:pixelrnn:problem:active-job"
    )
    spec = worker.take()
    assert "cancel it first" in is_problem(client.delete(link), 409)["detail"]
    assert worker.rows(spec, (0, 0)) == b"ok"
    client.post(f"{link}/cancel")
    is_problem(client.delete(link), 409)
    worker.settle(spec, "canceled")
    assert client.delete(link).status_code == 204


def test_results_are_gone_when_a_finished_job_is_deleted(
    client: httpx.Client, worker: HandWorker
) -> None:
    """204, then 410 for everything about it."""
    link = submit_sample(client)["links"]["self"]
    spec = worker.draw()
    assert client.delete(link).status_code == 204
    assert not worker.redis.exists(keys.job(spec.id), keys.events(spec.id))
    for path in (link, f"{link}/events", f"{link}/image"):
        assert client.get(path).status_code == 410
    assert client.delete(link).status_code == 410
    assert client.post(f"{link}/cancel").status_code == 410


def test_answer_is_410_when_the_results_have_expired(
    client: httpx.Client, worker: HandWorker
) -> None:
    """The tombstone outlives the job and tells expired from unknown."""
    link = submit_sample(client)["links"]["self"]
    spec = worker.draw()
    assert 0 < worker.redis.ttl(keys.job(spec.id)) <= keys.RESULT_TTL_S
    worker.redis.delete(keys.job(spec.id), keys.events(spec.id))
    assert client.get(link).json()["type"] == "urn:pixelrnn:problem:expired-job"
    assert (
        client.get("/jobs/never-was").json()["type"]
        == "urn:pixelrnn:problem:unknown-job"
    )


def test_every_key_has_a_lifetime_when_jobs_come_and_go(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Nothing of ours stays in Redis for ever."""
    submit_sample(client)
    worker.draw()
    submit_sample(client)
    for key in worker.redis.scan_iter("px:*"):
        assert key == keys.WORKERS.encode() or worker.redis.ttl(key) > 0, key


def test_deleted_job_leaves_its_tombstone_alone(
    client: httpx.Client, worker: HandWorker
) -> None:
    """No other key of the service's has its id, in its name or among what it holds."""
    job = submit_sample(client)
    worker.draw()
    assert client.delete(job["links"]["self"]).status_code == 204
    assert [key.decode() for key in worker.redis.keys(f"px:*{job['id']}*")] == [
        keys.tombstone(job["id"])
    ]
    sets = [
        key for key in worker.redis.keys("px:*") if worker.redis.type(key) == b"zset"
    ]
    assert all(
        job["id"].encode() not in b"".join(worker.redis.zrange(key, 0, -1))
        for key in sets
    )
