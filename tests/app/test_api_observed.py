"""What an operator sees: request ids, log lines, metrics."""

import json
import re

import httpx
import structlog

from app.settings import Settings
from tests.app.answers import metric, submit_sample
from tests.app.hand_worker import GREY, HandWorker
from tests.app.live import speaking
from tests.fakes import job_spec
from worker.contract import keys
from worker.contract.jobs import JobSpec

SAMPLE = {"model": "grey"}


def test_request_id_comes_back_when_given(
    client: httpx.Client, worker: HandWorker
) -> None:
    """It goes with the job to the worker; one that is none is replaced."""
    answer = client.post("/sample", json=SAMPLE, headers={"X-Request-Id": "my-id.1"})
    assert answer.headers["x-request-id"] == "my-id.1"
    assert worker.take().request_id == "my-id.1"
    for bad in ("", "a b", "x" * 65, '"'):
        made = client.get("/healthz", headers={"X-Request-Id": bad}).headers[
            "x-request-id"
        ]
        assert re.fullmatch("[0-9a-f]{16}", made)


def test_error_has_a_request_id_when_refused(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Of every kind."""
    for answer in (
        client.get("/nowhere"),
        client.post("/sample"),
        client.get("/jobs/x"),
    ):
        assert answer.headers["x-request-id"]


def test_request_is_one_line_when_answered(
    client: httpx.Client, worker: HandWorker
) -> None:
    """With its id, its path without the query, status and time: also where a parameter is none of the call's."""
    with structlog.testing.capture_logs(
        processors=[structlog.contextvars.merge_contextvars]
    ) as lines:
        client.get(
            "/jobs/x%0aforged?wait=0&secret=1", headers={"X-Request-Id": "line-1"}
        )
    (line,) = [line for line in lines if line.get("request_id") == "line-1"]
    assert (line["event"], line["method"], line["status"]) == ("request", "GET", 422)
    assert "secret" not in json.dumps(line)


def test_metrics_count_requests_and_jobs_when_scraped(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Those of this process, and the fleet's."""
    labels = {"method": "POST", "route": "/sample", "status": "202"}
    before = metric(client, "pixelrnn_requests_total", **labels)
    link = submit_sample(client)["links"]["self"]
    client.post("/sample", json=SAMPLE)
    assert metric(client, "pixelrnn_queue_depth") == 2
    of_queue = {"queue": keys.QUEUE}
    assert metric(client, "pixelrnn_queue_jobs", **of_queue) == 2
    worker.draw()
    assert client.get(f"{link}/events").status_code == 200
    assert metric(client, "pixelrnn_requests_total", **labels) == before + 2
    assert metric(client, "pixelrnn_queue_depth") == 1
    assert metric(client, "pixelrnn_open_values") == 12
    for _ in range(2):
        assert metric(client, "pixelrnn_queue_values", **of_queue) == 12
        assert metric(client, "pixelrnn_queue_threads", **of_queue) == 1
        # As if an API of 0.4.0 had accepted the job, which counted no queue's values.
        worker.redis.delete(keys.QUEUE_WORK)
    assert metric(client, "pixelrnn_workers") == 1
    assert metric(client, "pixelrnn_jobs_total", kind="sample", status="succeeded") == 1
    assert metric(client, "pixelrnn_streamed_bytes_total") > 0
    assert metric(client, "pixelrnn_streams") == 0


def test_metrics_have_no_path_of_the_clients_when_scraped(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Routes, not addresses: otherwise anybody could make the server count without bound."""
    client.get("/jobs/some-id-of-mine")
    client.get("/some/path/of/mine")
    text = client.get("/metrics").text
    assert "of-mine" not in text
    assert "of/mine" not in text


def test_spec_is_short_when_written() -> None:
    """Without what is as usual: a worker of an earlier version refuses fields that it does not know."""
    spec = job_spec(GREY)
    assert "rank" not in spec.entry()
    assert JobSpec.model_validate_json(spec.entry()) == spec


def test_metrics_are_not_open_through_a_proxy(redis_url: str) -> None:
    """An ingress adds a header; a scraper asks the server itself."""
    settings = Settings(
        redis_url=redis_url, port=0, api_keys=f"me:{'0' * 64}", metrics_open=True
    )
    with speaking(settings) as client:
        assert client.get("/metrics").status_code == 200
        for header in ("X-Forwarded-For", "Forwarded", "Via"):
            assert client.get("/metrics", headers={header: "1.1 x"}).status_code == 401
