"""What the client does, asked directly: no socket, no clock, no event loop."""

import json
from pathlib import Path
from typing import Any, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

import httpx
import pytest

from pixelrnn.client import ApiError, JobEndedError, UnreachableError, calls, documents
from pixelrnn.client.feed import Feed, Reading
from pixelrnn.client.flows import Flows, JobView, Pause
from pixelrnn.client.job_calls import JobCalls

SCHEMAS = json.loads((Path(__file__).parents[2] / "openapi.json").read_text(encoding="utf-8"))["components"]["schemas"]
DOCUMENTS = [kind for kind in vars(documents).values() if is_typeddict(kind)]


def response(status: int, body: Any = None, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers=headers)


def test_a_call_is_sent_until_it_is_answered() -> None:
    """A broken connection, then 503: each is followed by a pause, the second as long as was asked for."""
    call = calls.get("/models")
    flow = Flows(tries=3).answer(call)
    assert flow.send(None) is call
    assert isinstance(flow.send(httpx.ConnectError("no")), Pause)
    assert flow.send(None) is call
    pause = flow.send(response(503, {}, **{"Retry-After": "7"}))
    assert isinstance(pause, Pause)
    assert pause.seconds == 7.0
    assert flow.send(None) is call
    with pytest.raises(StopIteration) as end:
        flow.send(response(200, {"models": []}))
    assert end.value.value.json() == {"models": []}


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (response(404, {"title": "No such job"}), ApiError),
        (response(503), ApiError),
        (httpx.ConnectError("no"), UnreachableError),
    ],
)
def test_a_call_fails_when_the_tries_are_used_up_or_of_no_use(
    outcome: httpx.Response | httpx.TransportError, error: type[Exception]
) -> None:
    """404 at once, the others because it was the last try."""
    flow = Flows(tries=1).answer(calls.get("/jobs/a"))
    flow.send(None)
    with pytest.raises(error):
        flow.send(outcome)


@pytest.mark.parametrize("status", [204, 410])
def test_a_delete_is_done_when_the_job_is_gone(status: int) -> None:
    """A first try may have deleted it, though its answer was lost."""
    flow = Flows(tries=2).delete("a")
    call = flow.send(None)
    assert isinstance(call, calls.Call)
    assert (call.method, call.path) == ("DELETE", "/jobs/a")
    assert isinstance(flow.send(httpx.ReadError("broken")), Pause)
    assert flow.send(None) == call
    with pytest.raises(StopIteration):
        flow.send(response(status, {}))


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_the_end_of_a_job_is_polled_for(status: documents.JobStatus) -> None:
    """By long polls while it is active; then a bad end is an error, with the last state kept."""
    job = JobView(_job(status="queued"))
    flow = Flows(tries=1).end(job)
    poll = flow.send(None)
    assert isinstance(poll, calls.Call)
    assert (poll.path, poll.query) == ("/jobs/a", {"wait": 20.0})
    assert flow.send(response(200, _job(status="running"))) == poll
    with pytest.raises(JobEndedError, match=status):
        flow.send(response(200, _job(status=status)))
    assert job.state["status"] == status


def test_a_reading_is_patient_again_when_a_row_has_come() -> None:
    """Two tries for a silence, and two more behind a row; the next connection goes on where the last row was."""
    reading = Reading(Feed(), tries=2)
    reading.closed(httpx.ReadError("broken"))
    assert reading.pause_s > 0
    assert reading.opened(response(200))
    rows = [
        reading.take(line) for line in ("event: row", "id: 1-0", 'data: {"sample": 0, "y": 0, "pixels": "AA=="}', "")
    ]
    assert [row.y for row in rows if row is not None] == [0]
    assert reading.feed.headers()["Last-Event-ID"] == "1-0"
    reading.closed()
    with pytest.raises(UnreachableError):
        reading.closed()


def test_a_feed_knows_the_job_as_it_is_told() -> None:
    """Without the event's name, which is told in the data too, and is no field of a job."""
    feed = Feed()
    for line in ("event: done", "id: 9-0", 'data: {"type": "done", "id": "a", "status": "succeeded"}', ""):
        feed.take(line)
    assert feed.has_ended
    assert feed.state == {"id": "a", "status": "succeeded"}


def test_a_feed_ends_in_a_refusal_when_the_job_is_gone() -> None:
    """It was deleted while it was followed: the stream tells a problem in the place of a job."""
    feed = Feed()
    feed.take("event: error")
    feed.take('data: {"type": "urn:pixelrnn:problem:expired-job", "title": "t", "status": 410, "detail": "deleted"}')
    with pytest.raises(ApiError, match="410: deleted"):
        feed.take("")


class Sent(JobCalls[Any, Any, Any, Any]):
    """Sends nothing."""

    def start(self, call: calls.Call) -> calls.Call:
        return call


def test_every_call_says_who_is_told_of_the_end() -> None:
    """In a field, or beside a file that is sent as it is; nothing where nobody is."""
    where = "https://hooks.example/done"
    told = {"webhook": where}
    sent = Sent()
    asked = [
        sent.sample("m", webhook=where),
        sent.complete("m", b"", webhook=where),
        sent.upsample("m", b"", webhook=where),
        sent.score("m", b"", webhook=where),
        sent.verify(b"", webhook=where),
        sent.encode("m", [b""], webhook=where),
    ]
    for call in asked:
        assert (call.body or call.fields).items() >= told.items(), call.path
    assert sent.decode(b"", webhook=where).query == told
    assert (sent.decode(b"").query, sent.verify(b"").fields) == ({}, {})


def test_documents_are_those_of_the_schema() -> None:
    """Every field that the service sends has its type here, and none that it does not send."""
    assert {kind.__name__ for kind in DOCUMENTS} >= {"Job", "JobList", "Model", "ScoreMap"}
    for kind in DOCUMENTS:
        fields = get_type_hints(kind, include_extras=True)
        schema = SCHEMAS[kind.__name__]
        assert fields.keys() == schema["properties"].keys(), kind
        assert {name for name, hint in fields.items() if get_origin(hint) is not NotRequired} == set(schema["required"])
    for words in ("JobKind", "JobStatus"):
        assert set(get_args(getattr(documents, words))) == set(SCHEMAS[words]["enum"])


def _job(status: documents.JobStatus) -> Any:
    return {"id": "a", "status": status, "error": None}
