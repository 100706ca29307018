"""A picture that is waited for and is not there: never a document in its place."""

import httpx
import pytest

from app.routes import preferences
from tests.app.answers import is_problem, submit_sample
from tests.app.hand_worker import GREY, SCALES, HandWorker, eventually

SAMPLE = {"model": "grey", "seed": 3}


def test_answer_is_504_when_a_picture_is_not_drawn_in_time(
    client: httpx.Client, worker: HandWorker
) -> None:
    """A problem, so that nobody keeps a document as a picture; it names the job, which goes on, and the same request
    gets its picture later."""
    headers = {"Accept": "image/png", "Prefer": "wait=1", "Idempotency-Key": "late"}
    answer = client.post("/sample", json=SAMPLE, headers=headers)
    problem = is_problem(answer, 504)
    link = answer.headers["location"]
    assert problem["type"] == "urn:pixelrnn:problem:not-in-time"
    assert f"{link}?wait=30" in problem["detail"]
    assert int(answer.headers["retry-after"]) >= 1
    assert client.get(link).json()["status"] == "queued"
    worker.draw()
    again = client.post("/sample", json=SAMPLE, headers=headers)
    assert (again.status_code, again.headers["content-type"]) == (200, "image/png")
    assert again.headers["x-job-id"] in link


def test_picture_alone_is_waited_for_unasked(
    client: httpx.Client, worker: HandWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`curl -H 'Accept: image/png' -o a.png` writes a picture; if it takes too long, the
    answer is the job, as it always was."""
    monkeypatch.setattr(preferences, "MAX_WAIT_S", 1)
    headers = {"Accept": "image/png, image/*", "Idempotency-Key": "unasked"}
    late = client.post("/sample", json=SAMPLE, headers=headers)
    assert (late.status_code, late.json()["status"]) == (202, "queued")
    assert "preference-applied" not in late.headers
    worker.draw()
    answer = client.post("/sample", json=SAMPLE, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")


def test_answer_is_424_when_the_picture_will_never_come(
    client: httpx.Client, worker: HandWorker
) -> None:
    """It says why; without a picture asked for, the failed job is the answer."""
    headers = {"Prefer": "wait=1", "Idempotency-Key": "failed"}
    client.post("/sample", json=SAMPLE, headers=headers)
    worker.settle(
        worker.take(), "failed", {"type": "t", "title": "t", "detail": "out of paint"}
    )
    refused = client.post("/sample", json=SAMPLE | {"format": "webp"}, headers=headers)
    assert "out of paint" in is_problem(refused, 424)["detail"]
    assert client.get(refused.headers["location"]).json()["status"] == "failed"
    job = client.post("/sample", json=SAMPLE, headers=headers)
    assert (job.status_code, job.json()["status"]) == (200, "failed")


def test_job_says_that_its_model_is_being_compiled(
    client: httpx.Client, worker: HandWorker
) -> None:
    """And how far that is, while no worker can draw from it; so does the answer to whoever waits for a picture."""
    worker.announce(GREY.model_copy(update={"compiling": True, "cold": True}), SCALES)
    link = submit_sample(client, seed=3)["links"]["self"]
    said = "grey to be compiled (1 of 2 models are ready)"
    assert eventually(lambda: client.get(link).json()["waits_for"] == said)
    late = client.post(
        "/sample", json=SAMPLE, headers={"Accept": "image/png", "Prefer": "wait=1"}
    )
    assert said in is_problem(late, 504)["detail"]
    worker.announce(GREY.model_copy(update={"compiling": True}), SCALES)
    assert eventually(
        lambda: "grey to be loaded" in str(client.get(link).json()["waits_for"])
    )
    worker.announce(GREY, SCALES)
    assert eventually(lambda: client.get(link).json()["waits_for"] is None)
