"""What operators see and do, and who is none."""

import httpx
import structlog

from app.access.api_keys import KeyEntry, digest_of
from tests.app.answers import is_problem, submit_sample
from tests.app.hand_worker import HandWorker
from tests.app.holders import ALICE, BOB, KEYS, SAMPLE, settings
from tests.app.live import speaking
from worker.contract import keys

OPERATOR = {"X-API-Key": "op-key"}
WITH_OPERATOR = (
    *KEYS,
    KeyEntry(name="op", sha256=digest_of("op-key"), role="operator"),
)


def test_only_operators_see_the_workers(redis_url: str, worker: HandWorker) -> None:
    """Each call is logged with its key's name, a refused one too."""
    with (
        speaking(settings(redis_url, api_keys=WITH_OPERATOR)) as client,
        structlog.testing.capture_logs() as logged,
    ):
        is_problem(client.get("/workers"), 401)
        is_problem(client.get("/workers", headers=ALICE), 403)
        (one,) = client.get("/workers", headers=OPERATOR).json()["workers"]
        assert (one["name"], one["state"], one["jobs"]) == ("w1", "idle", 0)
        assert {"name": "grey", "state": "ready"} in one["models"]
    calls = [line for line in logged if line["event"] == "operator_call"]
    assert [line["key"] for line in calls] == ["alice", "op"]


def test_without_keys_operators_are_on_this_machine(
    client: httpx.Client, worker: HandWorker
) -> None:
    assert client.get("/workers").status_code == 200
    for header in ("X-Forwarded-For", "Forwarded", "Via"):
        is_problem(client.get("/workers", headers={header: "127.0.0.1"}), 403)


def test_drained_worker_stays_and_gets_no_jobs(
    client: httpx.Client, worker: HandWorker
) -> None:
    """It is asked by the time of its start, so that its successor is not. A worker that
    has gone is a problem."""
    answer = client.post("/workers/w1/drain")
    assert (answer.status_code, answer.json()["state"]) == (202, "idle")
    assert worker.redis.get(keys.drain("w1")) == b"1.0"
    worker.announce(drained=True)
    assert client.get("/workers").json()["workers"][0]["state"] == "drained"
    is_problem(client.post("/sample", json=SAMPLE), 503)
    assert client.delete("/workers/w1/drain").status_code == 202
    assert not worker.redis.exists(keys.drain("w1"))
    is_problem(client.post("/workers/w2/drain"), 404)


def test_operator_cancels_jobs_of_others_and_sees_no_input(
    redis_url: str, worker: HandWorker
) -> None:
    with speaking(settings(redis_url, api_keys=WITH_OPERATOR)) as client:
        job = submit_sample(client, headers=ALICE)["id"]
        is_problem(client.get("/queue", headers=ALICE), 403)
        is_problem(client.post(f"/queue/{job}/cancel", headers=ALICE), 403)
        is_problem(client.get(f"/jobs/{job}/image", headers=OPERATOR), 404)
        queue = client.get("/queue", headers=OPERATOR).json()
        (shown,) = queue["jobs"]
        assert (queue["open"], shown["id"], shown["owner"]) == (1, job, "alice")
        assert not {"seed", "links", "result"} & set(shown)
        canceled = client.post(f"/queue/{job}/cancel", headers=OPERATOR)
        assert (canceled.status_code, canceled.json()["status"]) == (202, "canceled")
        assert client.get("/queue", headers=OPERATOR).json()["jobs"] == []


def test_new_jobs_are_stopped_and_open_ones_are_not(
    client: httpx.Client, worker: HandWorker
) -> None:
    job = submit_sample(client)["id"]
    assert client.post("/queue/close").status_code == 204
    refused = client.post("/sample", json=SAMPLE)
    is_problem(refused, 503)
    assert refused.json()["type"].endswith(":closed")
    assert refused.headers["retry-after"] == "30"
    assert client.get("/readyz").json()["accepts"] is False
    assert client.get(f"/jobs/{job}").json()["status"] == "queued"
    assert client.delete("/queue/close").status_code == 204
    assert client.post("/sample", json=SAMPLE).status_code == 202


def test_usage_is_counted_by_owner_once(redis_url: str, worker: HandWorker) -> None:
    """Of a canceled job the rows that were drawn count, and no image."""
    with speaking(settings(redis_url, api_keys=WITH_OPERATOR)) as client:
        client.post("/sample", json={**SAMPLE, "n": 2}, headers=ALICE)
        whole = worker.draw()
        worker.settle(whole)  # as after a lost reply
        client.post("/sample", json=SAMPLE, headers=BOB)
        part = worker.take()
        worker.rows(part, (0, 0))
        worker.settle(part, "canceled")
        is_problem(client.get("/usage", headers=ALICE), 403)
        used = client.get("/usage", headers=OPERATOR).json()["usage"]
        facts = [[one[what] for what in ("owner", "images", "values")] for one in used]
        assert facts == [["alice", 2, 24], ["bob", 0, 3]]
        metrics = client.get("/metrics", headers=OPERATOR).text
        assert 'pixelrnn_used_values_total{owner="alice"} 24.0' in metrics
        assert worker.redis.ttl(worker.redis.keys(f"{keys.USAGE}*")[0]) > 0
