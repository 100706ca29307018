"""What the client does, asked directly: no socket, no clock, no event loop."""

import importlib
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from pixelrnn.client import (
    AddressError,
    ApiError,
    ApiKeyError,
    CardError,
    Client,
    JobEndedError,
    ServiceError,
    UnexpectedAnswerError,
    UnreachableError,
    calls,
    documents,
)
from pixelrnn.client.feed import Feed, Reading
from pixelrnn.client.flows import Flows, JobView, Pause
from pixelrnn.client.settings import Habits, http_options

ROOT = Path(__file__).parents[2]
SCHEMAS = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))["components"][
    "schemas"
]


def response(status: int, body: Any = None, **headers: str) -> httpx.Response:
    return httpx.Response(
        status,
        json=body,
        headers=headers,
        request=httpx.Request("GET", "http://service/asked"),
    )


def stream() -> httpx.Response:
    return httpx.Response(
        200, headers={"Content-Type": "text/event-stream; charset=utf-8"}
    )


def told(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"


def test_a_call_is_sent_until_it_is_answered() -> None:
    """A broken connection, then 503: each is followed by a pause, the second as long as was asked for."""
    call = calls.get("/models")
    flow = Flows(Habits(tries=3)).answer(call)
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
    flow = Flows(Habits(tries=1)).answer(calls.get("/jobs/a"))
    flow.send(None)
    with pytest.raises(error):
        flow.send(outcome)


@pytest.mark.parametrize("status", [204, 410])
def test_a_delete_is_done_when_the_job_is_gone(status: int) -> None:
    """A first try may have deleted it, though its answer was lost."""
    flow = Flows(Habits(tries=2)).delete("a")
    call = flow.send(None)
    assert isinstance(call, calls.Call)
    assert (call.method, call.path) == ("DELETE", "/jobs/a")
    assert isinstance(flow.send(httpx.ReadError("broken")), Pause)
    assert flow.send(None) == call
    with pytest.raises(StopIteration):
        flow.send(response(status, {}))


@pytest.mark.parametrize(
    ("first", "is_done"),
    [
        (httpx.ReadError("broken"), True),
        (response(504), True),  # of a proxy, which had sent the request on
        (httpx.ConnectError("refused"), False),
        (response(503), False),  # of the service, which had done nothing
    ],
)
def test_a_model_is_removed_if_a_first_try_may_have_removed_it(
    first: httpx.Response | httpx.TransportError, is_done: bool
) -> None:
    """The second try is answered with 404: a success if the first one may have been
    carried out, and otherwise what it says."""
    flow = Flows(Habits(tries=2)).remove_model("mine")
    call = flow.send(None)
    assert isinstance(call, calls.Call)
    assert (call.method, call.path) == ("DELETE", "/models/mine")
    assert isinstance(flow.send(first), Pause)
    assert flow.send(None) == call
    with pytest.raises(StopIteration if is_done else ApiError):
        flow.send(response(404, {"title": "No such model"}))


def test_a_model_that_is_not_there_is_not_removed() -> None:
    """A first try that is refused has removed nothing."""
    flow = Flows(Habits(tries=2)).remove_model("mine")
    flow.send(None)
    with pytest.raises(ApiError, match="No such model"):
        flow.send(response(404, {"title": "No such model"}))


@pytest.mark.parametrize("status", ["succeeded", "running"])
def test_a_training_is_finished_if_a_first_try_may_have_finished_it(
    status: documents.JobStatus,
) -> None:
    """The second try is answered with 409, because the training has ended meanwhile.
    One that still runs had nothing to keep."""
    job = JobView(_job(status="running"))
    flow = Flows(Habits(tries=2)).finish(job)
    flow.send(None)
    flow.send(httpx.ReadError("broken"))
    flow.send(None)
    poll = flow.send(response(409, {"title": "There is nothing to keep"}))
    assert isinstance(poll, calls.Call)
    assert (poll.method, poll.path) == ("GET", "/jobs/a")
    is_done = status == "succeeded"
    with pytest.raises(StopIteration if is_done else ApiError):
        flow.send(response(200, _job(status=status)))
    assert job.state["status"] == status


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_the_end_of_a_job_is_polled_for(status: documents.JobStatus) -> None:
    """By long polls while it is active; then a bad end is an error, with the last state kept."""
    job = JobView(_job(status="queued"))
    flow = Flows(Habits(tries=1)).end(job)
    poll = flow.send(None)
    assert isinstance(poll, calls.Call)
    assert (poll.path, poll.query) == ("/jobs/a", {"wait": 20.0})
    assert flow.send(response(200, _job(status="running"))) == poll
    with pytest.raises(JobEndedError, match=status):
        flow.send(response(200, _job(status=status)))
    assert job.state["status"] == status


def test_a_reading_is_patient_again_when_a_row_has_come() -> None:
    """Two tries for a silence, and two more behind a row; the next connection goes on where the last row was."""
    reading = Reading(Feed(), Habits(tries=2))
    reading.on_close(httpx.ReadError("broken"))
    assert reading.pause_s > 0
    assert reading.on_open(stream())
    rows = reading.take(
        'event: row\nid: 1-0\ndata: {"sample": 0, "y": 0, "pixels": "AA=="}\n\n'
    )
    assert [row.y for row in rows] == [0]
    assert reading.feed.headers()["Last-Event-ID"] == "1-0"
    reading.on_close()
    with pytest.raises(UnreachableError):
        reading.on_close()


def test_a_reading_waits_for_a_job_that_waits() -> None:
    """Connections that tell how it is and end, many more than there are tries, are no failures; each is followed by a
    longer pause, since a proxy may cut at once. Comments alone are not the service's word."""
    reading, pauses = Reading(Feed(), Habits(tries=3)), []
    for _ in range(9):
        assert reading.on_open(stream())
        assert (
            reading.take(
                told("snapshot", '{"id": "a", "status": "queued"}')
                + told("server-stopping", "{}")
            )
            == []
        )
        reading.on_close()
        pauses.append(reading.pause_s)
    assert pauses[0] < 1 < pauses[-1]
    assert reading.take(": alive\n\n") == []
    reading.on_close()
    with pytest.raises(UnreachableError, match="tried 3 times"):
        reading.on_close()


def test_a_stream_may_be_quiet_for_longer_than_a_client_s_timeout() -> None:
    """A job waits, and the service sends a comment every 15 seconds only: a new
    connection finds out at once whether it still responds."""
    reading = Reading(Feed(), Habits(tries=1, timeout_s=0.1))
    for _ in range(3):
        assert reading.on_open(stream())
        reading.take(told("snapshot", '{"id": "a", "status": "queued"}'))
        time.sleep(0.11)  # the client's timeout
        reading.on_close(httpx.ReadTimeout("timed out"))
        assert reading.pause_s == 0
    with pytest.raises(UnreachableError, match="timed out"):
        reading.on_close(httpx.ReadTimeout("timed out"))


def test_a_feed_knows_the_job_as_it_is_told() -> None:
    """Without the event's name, which is told in the data too, and is no field of a job."""
    feed = Feed()
    feed.take(
        'event: done\nid: 9-0\ndata: {"type": "done", "id": "a", "status": "succeeded"}\n\n'
    )
    assert feed.has_ended
    assert feed.state == {"id": "a", "status": "succeeded"}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_feed_ends_lines_where_the_stream_does(end: str, size: int) -> None:
    """And not within what is told, where Unicode sees an end of line; however it was cut on its way."""
    feed, detail = Feed(), "a\u2028b\u0085c"
    text = told(
        "snapshot", json.dumps({"id": "a", "detail": detail}, ensure_ascii=False)
    ).replace("\n", end)
    text += ": comment" + end
    for begin in range(0, len(text), size):
        feed.take(text[begin : begin + size])
    assert feed.state == {"id": "a", "detail": detail}


def test_a_feed_ends_in_a_refusal_when_the_job_is_gone() -> None:
    """It was deleted while it was followed: the stream tells a problem in the place of a job."""
    data = '{"type": "urn:pixelrnn:problem:expired-job", "title": "t", "status": 410, "detail": "deleted"}'
    with pytest.raises(ApiError, match="410: deleted"):
        Feed().take(told("error", data))


@pytest.mark.parametrize(
    "event", [told("row", "<html>"), told("row", "{}"), told("snapshot", "7")]
)
def test_a_feed_says_when_it_is_told_what_is_no_event(event: str) -> None:
    """Whatever it is that answers, it is not the service."""
    with pytest.raises(UnexpectedAnswerError, match="is this the service"):
        Feed().take(event)


PORTAL = httpx.Response(
    200,
    html="<p>Please log in</p>",
    request=httpx.Request("GET", "http://service/asked"),
)


@pytest.mark.parametrize(
    "answer", [PORTAL, response(200, {"detail": "?"}), response(200, [])]
)
def test_an_answer_of_something_else_is_an_error_of_the_service(
    answer: httpx.Response,
) -> None:
    """A page that asks to log in, another service's document: said in one sentence with the address."""
    flows = Flows(Habits())
    for flow in (
        flows.models(),
        flows.state("a"),
        flows.page(None, None, None),
        flows.image("a"),
        flows.image("a", "npy"),
    ):
        flow.send(None)
        with pytest.raises(
            UnexpectedAnswerError, match="GET http://service/asked answered with"
        ):
            flow.send(answer)
    if answer is PORTAL:
        with pytest.raises(UnexpectedAnswerError, match="expected text/event-stream"):
            Reading(Feed(), Habits()).on_open(answer)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "localhost",
        "ftp://host",
        "http://",
        "http://[::1",
        "",
        "http://h:x",
        "http://a..b",
        f"http://{'a' * 64}.org",
    ],
)
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    """Before anything is sent, in a sentence that says what was expected."""
    with pytest.raises(AddressError, match="expected http://HOST:PORT"):
        http_options(url, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        '["a", "b"]',
        '"name"',
        "[" * 100_000,
        "{}",
        '{"name": 3}',
        '{"name": "a", "members": ["weights.safetensors"]}',
        '{"name": "a", "members": [{"weights": 3}]}',
        '{"name": "a", "members": 3}',
        '{"name": "a", "guides": [{}]}',
        '{"name": "a", "guides": "ab"}',
        '{"name": "a", "members": [{"weights": "../secret"}]}',
        '{"name": "a", "members": [{"weights": "/etc/passwd"}]}',
        '{"name": "a", "guides": [{"sha256": "../../secret"}]}',
    ],
)
def test_a_card_that_is_none_is_refused_before_anything_is_sent(
    tmp_path: Path, text: str
) -> None:
    """The error is one of the client's, and names the file."""
    (tmp_path / "card.json").write_text(text)
    with (
        Client("http://127.0.0.1:9") as client,
        pytest.raises(CardError, match=r"card\.json is not the card of a model"),
    ):
        client.add_model(tmp_path)


def test_an_address_at_which_nobody_ever_answered_is_given_up_soon() -> None:
    """No pause goes beyond two seconds; a service that answered before is waited for longer."""

    def pauses(habits: Habits) -> list[float]:
        flow, outcome, found = Flows(habits).answer(calls.get("/models")), None, []
        try:
            while True:
                step = flow.send(outcome)
                outcome = (
                    None if isinstance(step, Pause) else httpx.ConnectError("refused")
                )
                found += [step.seconds] if isinstance(step, Pause) else []
        except UnreachableError as error:
            assert (  # noqa: PT017
                str(error)
                == f"no answer from the service: refused (tried {len(found) + 1} times)"
            )
            return found

    assert max(pauses(Habits())) <= 2.0
    assert len(pauses(Habits(has_answered=True))) == 7
    assert max(pauses(Habits(has_answered=True, timeout_s=0.5))) <= 0.5


def test_a_request_that_is_wrong_is_not_tried_again() -> None:
    """A key that no header can hold, for instance."""
    flow = Flows(Habits()).answer(calls.get("/models"))
    flow.send(None)
    with pytest.raises(UnreachableError, match=r"illegal \(tried once\)"):
        flow.send(httpx.LocalProtocolError("illegal"))


def test_who_waits_is_told_how_far_it_is() -> None:
    """About once a second: the polls are shorter then."""
    told_of, job = [], JobView(_job(status="queued"))
    flow = Flows(Habits()).end(
        job, on_progress=lambda state: told_of.append(state["status"])
    )
    poll = flow.send(None)
    assert isinstance(poll, calls.Call)
    assert poll.query == {"wait": 1.0}
    flow.send(response(200, _job(status="running")))
    with pytest.raises(StopIteration):
        flow.send(response(200, _job(status="succeeded")))
    assert told_of == ["running", "succeeded"]


def test_a_cancel_of_ones_own_is_told_from_one_of_others() -> None:
    """An error says who it was, as far as it is known here."""
    job = JobView(_job(status="running"))
    flow = Flows(Habits()).cancel(job)
    flow.send(None)
    with pytest.raises(StopIteration):
        flow.send(response(200, _job(status="canceled")))
    with pytest.raises(JobEndedError, match="job a canceled by you"):
        job.succeeded()
    with pytest.raises(ServiceError, match=r"job a canceled$"):
        JobView(_job(status="canceled")).succeeded()


class Sent(Client):
    """Sends nothing: each call that starts a job returns what it would send."""

    def start(self, call: calls.Call) -> Any:
        return call


def test_every_call_says_who_is_told_of_the_end() -> None:
    """In a body or a form, or beside a file that is sent as it is; nothing where nobody is."""
    where = "https://hooks.example/done"
    told = {"webhook": where}
    with Sent() as client:
        sent: Any = client  # whose calls are not sent
        assert sent.sample("m", webhook=where).body.items() >= told.items()
        assert sent.score("m", b"", webhook=where).fields.items() >= told.items()
        assert sent.decode(b"", webhook=where).query == told
        assert (sent.decode(b"").query, sent.verify(b"").fields) == ({}, {})


def test_documents_are_those_of_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every document that the service sends has its type here, and both clients are one. If this fails, run `python
    docs/tools/make_client.py`."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "tools"))
    make_client = importlib.import_module("make_client")
    assert make_client.PAGE.read_text(encoding="utf-8") == make_client.text(SCHEMAS)
    assert make_client.BLOCKING.read_text(encoding="utf-8") == make_client.blocking()
    assert {"id", "result", "webhook"} <= documents.Job.__required_keys__


def _job(status: documents.JobStatus) -> Any:
    return {"id": "a", "status": status, "error": None}


def test_a_key_that_no_header_can_have_is_refused_and_not_repeated() -> None:
    """Nothing was sent, so nobody failed to answer; and messages end up in logs."""
    with pytest.raises(ApiKeyError, match="a line feed, or another") as refused:
        Client("http://service", "secret\nkey")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("key", ["key\n", "key\r\n", " key "])
def test_white_space_around_a_key_is_not_sent(key: str) -> None:
    """A key that was read from a file ends in a line feed."""
    sent = http_options("http://service", key, None)["headers"]
    assert sent == {"Authorization": b"Bearer key"}


def test_a_key_of_any_characters_is_sent() -> None:
    """The service says that it does not know it."""
    with httpx.Client(**http_options("http://service", "schlüssel", None)) as client:
        sent = client.build_request("GET", "/models").headers.raw
    assert (b"Authorization", "Bearer schlüssel".encode()) in sent
