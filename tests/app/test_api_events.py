"""The event stream: complete, in order, once, and closed properly."""

import contextlib
import http.client
import signal
import socket
import time
from collections.abc import AsyncIterator
from unittest.mock import Mock

import httpx
import pytest
from fastapi import Response

from app.routes.streams import StreamedResponse
from app.settings import Settings
from tests.app.answers import submit_sample
from tests.app.hand_worker import HandWorker, row_bytes
from tests.app.live import Event, events_of, process_serving, serving, speaking
from worker.contract import scripts
from worker.contract.events import RowDrawn, row_entry

TERMINAL = ("done", "error", "canceled")


def submit(client: httpx.Client, n: int = 1) -> str:
    return submit_sample(client, n=n, seed=3)["links"]["self"]


def read_all(client: httpx.Client, link: str, **options: dict) -> list[Event]:
    with client.stream("GET", f"{link}/events", **options) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        return list(events_of(response))


def test_finished_job_replays_and_ends_when_followed(
    client: httpx.Client, worker: HandWorker
) -> None:
    """Snapshot, every row once with ids 1-0, 2-0, ..., the end with the finished job; then the server closes."""
    link = submit(client, n=2)
    spec = worker.draw()
    events = read_all(client, link)
    assert [e.name for e in events] == ["snapshot", *["row"] * 8, "progress", "done"]
    assert [e.id for e in events] == [
        None,
        *(f"{i}-0" for i in range(1, 9)),
        None,
        "9-0",
    ]
    rows = [RowDrawn.model_validate(e.data) for e in events if e.name == "row"]
    assert [(row.y, row.sample) for row in rows] == [
        (y, s) for y in range(4) for s in range(2)
    ]
    assert all(row.pixel_bytes() == row_bytes(spec, row.sample, row.y) for row in rows)
    assert events[-1].data == {"type": "done", **client.get(link).json()}
    assert events[0].retry == "1000"


def test_rows_arrive_while_the_job_is_drawn(
    client: httpx.Client, worker: HandWorker
) -> None:
    """A reader that came before the worker sees each row when it is final, with progress between."""
    link = submit(client)
    with client.stream("GET", f"{link}/events") as response:
        events = events_of(response)
        assert next(events).data["status"] == "queued"
        spec = worker.take()
        for y in range(4):
            worker.rows(spec, (0, y))
            assert next(events).data["y"] == y
            told = {
                "type": "progress",
                "rows_done": y + 1,
                "rows_total": 4,
                "progress": (y + 1) / 4,
            }
            assert next(events).data == told
        worker.settle(spec)
        assert next(events).name == "done"
        assert next(events, None) is None


@pytest.mark.parametrize(
    "options", [{"headers": {"Last-Event-ID": "3-0"}}, {"params": {"from": "3"}}]
)
def test_reader_misses_nothing_when_it_comes_back(
    client: httpx.Client, worker: HandWorker, options: dict
) -> None:
    """From the id behind the one it has, by header or by parameter."""
    link = submit(client)
    worker.draw()
    ids = [e.id for e in read_all(client, link, **options) if e.id]
    assert ids == ["4-0", "5-0"]


def test_header_wins_when_a_parameter_is_there_too(
    client: httpx.Client, worker: HandWorker
) -> None:
    """An EventSource reconnects to the same address, with a newer header."""
    link = submit(client)
    worker.draw()
    events = read_all(
        client, link, headers={"Last-Event-ID": "4-0"}, params={"from": "0"}
    )
    assert [e.name for e in events] == ["snapshot", "done"]


def test_answer_is_204_when_the_reader_has_the_end(
    client: httpx.Client, worker: HandWorker
) -> None:
    """That is what makes an EventSource stop."""
    link = submit(client)
    worker.draw()
    assert (
        client.get(f"{link}/events", headers={"Last-Event-ID": "5-0"}).status_code
        == 204
    )


@pytest.mark.parametrize("bad", ["x", "-1", "1-1", "1-0-0", "9" * 30, "1-0\t2", "٣"])
def test_answer_is_422_when_the_event_id_is_none(
    client: httpx.Client, worker: HandWorker, bad: str
) -> None:
    """A position that this stream never gave out is refused before the stream starts."""
    link = submit(client)
    answer = client.get(f"{link}/events", headers={"Last-Event-ID": bad.encode()})
    assert (answer.status_code, answer.json()["type"]) == (
        422,
        "urn:pixelrnn:problem:invalid-request",
    )


@pytest.mark.parametrize(
    ("status", "name"), [("failed", "error"), ("canceled", "canceled")]
)
def test_stream_ends_once_when_the_job_does_not_succeed(
    client: httpx.Client, worker: HandWorker, status: str, name: str
) -> None:
    """Exactly one terminal event, whatever the end."""
    link = submit(client)
    spec = worker.take()
    worker.rows(spec, (0, 0))
    worker.settle(spec, status)
    events = read_all(client, link)
    assert [e.name for e in events if e.name in TERMINAL] == [name]
    assert (events[-1].name, events[-1].data["status"]) == (name, status)


def test_rows_come_once_when_the_worker_changes(
    client: httpx.Client, worker: HandWorker
) -> None:
    """A second worker repeats rows that the first had written; readers never see them again."""
    link = submit(client)
    spec = worker.take()
    worker.rows(spec, (0, 0), (0, 1))
    other = "other-token"
    worker.redis.eval(scripts.CLAIM, 4, *scripts.of(spec.id), other)
    assert worker.rows(spec, (0, 2)) == b"lost"
    worker.token = other
    again = [
        RowDrawn.model_validate_json(
            row_entry(0, y, row_bytes(spec, 0, y))
        ).model_dump_json()
        for y in range(4)
    ]
    worker.redis.eval(
        scripts.APPEND, 4, *scripts.of(spec.id), other, 1, len(again), "\n".join(again)
    )
    worker.settle(spec)
    assert [e.data["y"] for e in read_all(client, link) if e.name == "row"] == [
        0,
        1,
        2,
        3,
    ]


def test_comments_keep_the_stream_open_when_nothing_happens(
    redis_url: str, worker: HandWorker
) -> None:
    """Without an event the reader gets comments, without an id."""
    settings = Settings(redis_url=redis_url, port=0, ping_s=0.05)
    with (
        speaking(settings) as client,
        client.stream("GET", f"{submit(client)}/events") as response,
    ):
        events = events_of(response)
        assert next(events).name == "snapshot"
        assert [next(events).name for _ in range(2)] == ["comment", "comment"]


def test_reader_is_kept_while_it_takes_a_little(redis_url: str) -> None:
    """Only one that takes nothing is let go, whatever the size of a chunk."""
    body = bytes(range(256)) * 1600
    with serving(Settings(redis_url=redis_url, port=0)) as (url, running):
        seats = running.config.app.state.services.seats

        async def chunks() -> AsyncIterator[bytes]:
            for first in (0, len(body) // 2):
                yield body[first : first + len(body) // 2]

        async def long() -> Response:
            return StreamedResponse(
                contextlib.nullcontext((Mock(), chunks())),
                seats.hold("a"),
                "text/plain",
                1.5,
                {},
            )

        running.config.app.router.add_api_route("/long", long)
        running.servers[0].sockets[0].setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, 4096
        )  # of those that it accepts
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", int(url.rpartition(":")[2]))
        ) as reader:
            reader.sock = socket.socket()
            reader.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.sock.connect((reader.host, reader.port))
            reader.request("GET", "/long")
            response, taken = reader.getresponse(), b""
            for _ in range(30):
                taken += response.read(2048)
                time.sleep(0.1)
            taken += response.read()
    assert taken == body


def test_all_streams_end_well_when_there_are_many(
    redis_url: str, worker: HandWorker
) -> None:
    """SIGTERM ends a real server within seconds. Two hundred readers, also of rows that are coming, are told to come
    back, without an id, and get a whole body."""
    with (
        process_serving(redis_url) as (process, address),
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        link = submit(client)
        worker.rows(worker.take(), (0, 0))
        host, _, port = address.removeprefix("http://").partition(":")
        readers = [
            socket.create_connection((host, int(port)), timeout=60) for _ in range(200)
        ]
        for reader in readers:
            reader.sendall(
                f"GET {link}/events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
            )
        for reader in readers:
            assert reader.recv(100).startswith(b"HTTP/1.1 200")
        with client.stream("GET", f"{link}/events") as response:
            process.send_signal(signal.SIGTERM)
            *_, closing = events_of(response)
        assert closing == Event(
            "server-stopping", {"type": "server-stopping"}, None, "1000"
        )
        for reader in readers:
            with reader, reader.makefile("rb") as body:
                text = body.read()
            assert b"event: server-stopping\n" in text
            assert text.endswith(b"\r\n0\r\n\r\n")
        assert process.wait(60) in (0, -signal.SIGTERM)
