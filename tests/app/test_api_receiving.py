"""Clients that send slowly, or nothing; and requests that are open when the server stops."""

import os
import signal
import time
from contextlib import ExitStack

import httpx
import pytest

from app.settings import Settings
from app.wire import receiving
from tests.app.answers import submit_sample
from tests.app.connections import HALF_JSON, all_of, connected
from tests.app.hand_worker import HandWorker, eventually
from tests.app.live import process_serving, serving

HALF_HEADERS = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("before", "sent"),
    [(b"", b""), (b"", HALF_HEADERS), (b"", HALF_JSON), (WHOLE, HALF_HEADERS)],
    ids=["nothing", "headers", "body", "second request"],
)
def test_connection_is_closed_when_its_request_does_not_come(
    redis_url: str, before: bytes, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told why; who sends a whole one meanwhile is answered."""
    monkeypatch.setattr(receiving, "HEADERS_S", 0.3)
    with (
        serving(Settings(redis_url=redis_url, port=0, receive_s=0.4)) as (url, _),
        connected(url) as slow,
    ):
        slow.sendall(before)
        if before:
            assert slow.recv(1000).startswith(b"HTTP/1.1 200")
        slow.sendall(sent)
        with connected(url) as quick:
            quick.sendall(WHOLE)
            assert quick.recv(100).startswith(b"HTTP/1.1 200")
        answer = all_of(slow)
    *_, head, body = answer.split(b"\r\n\r\n")
    assert b"408 Request Timeout" in head
    assert b"application/problem+json" in head
    assert b"urn:pixelrnn:problem:too-slow" in body


def test_server_answers_when_hundreds_send_nothing(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are places for some of them; beyond, the oldest has to leave, and one that asks is answered though none of
    them has been silent for long."""
    monkeypatch.setattr(receiving, "MOST_WAITING", 20)
    monkeypatch.setattr(receiving, "HEADERS_S", 600.0)
    with (
        serving(Settings(redis_url=redis_url, port=0)) as (url, running),
        ExitStack() as silent,
    ):
        connections = [silent.enter_context(connected(url)) for _ in range(100)]
        assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200
        assert b"too-slow" in all_of(connections[0])
        eventually(lambda: len(running.server_state.connections) <= 21)


POST = b"POST /sample HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
MANY = b"".join(b"X-%d: x\r\n" % i for i in range(200))


def answer_to(url: str, sent: bytes) -> bytes:
    with connected(url) as connection:
        connection.sendall(sent)
        return all_of(connection)


@pytest.mark.parametrize(
    "sent",
    [
        GET + b"X: " + b"a" * 70_000,
        GET + b"X: " + b"a" * 70_000 + b"\r\n\r\n",
        GET + b"X: " + b"a" * 900_000,
        b"GET /" + b"a" * 70_000,
        GET + MANY,
        GET + MANY + b"\r\n",
        CHUNKED + b"1\r\n{\r\n0\r\n" + MANY,
        CHUNKED + b"1\r\n{\r\n0\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        CHUNKED + b"1;x=" + b"a" * 100_000 + b"\r\n{\r\n0\r\n\r\n",
    ],
    ids=[
        "open",
        "whole",
        "more",
        "line",
        "fields",
        "whole fields",
        "trailers",
        "trailer",
        "extension",
    ],
)
def test_what_stands_around_a_body_has_a_limit(redis_url: str, sent: bytes) -> None:
    """In bytes and in fields; who is refused hears why, also where there is more to read."""
    with serving(Settings(redis_url=redis_url, port=0)) as (url, _):
        answer = answer_to(url, sent)
        assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
        assert b"application/problem+json" in answer
        assert b"urn:pixelrnn:problem:head-too-large" in answer
        assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200


def test_host_may_be_absent_before_http_1_1(redis_url: str) -> None:
    """As from old probes."""
    with serving(Settings(redis_url=redis_url, port=0)) as (url, _):
        answer = answer_to(url, b"GET /healthz HTTP/1.0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")


def test_head_below_the_limit_is_read(redis_url: str) -> None:
    """Sixty thousand bytes in a hundred and twenty fields."""
    fields = b"".join(b"X-%d: %s\r\n" % (i, b"a" * 490) for i in range(120))
    with serving(Settings(redis_url=redis_url, port=0)) as (url, _):
        assert answer_to(url, GET + fields + b"\r\n").startswith(b"HTTP/1.1 200")


def test_largest_head_leaves_when_all_are_too_large_together(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also that of a request which is being answered; smaller ones stay."""
    monkeypatch.setattr(receiving, "MOST_HEADS_BYTES", 100_000)
    with (
        serving(Settings(redis_url=redis_url, port=0)) as (url, _),
        ExitStack() as open_ones,
    ):
        small, *large = [open_ones.enter_context(connected(url)) for _ in range(6)]
        small.sendall(GET)
        for size, connection in enumerate(large, start=30):
            connection.sendall(GET + b"X: " + b"a" * (1000 * size))
        refused = [all_of(connection) for connection in large[3:]]
        small.sendall(b"\r\n")
        assert all_of(small).startswith(b"HTTP/1.1 200")
        large[0].sendall(b"\r\n\r\n")
        assert all_of(large[0]).startswith(b"HTTP/1.1 200")
    assert all(b"head-too-large" in answer for answer in refused)


def test_connection_leaves_when_hundreds_of_its_requests_wait(redis_url: str) -> None:
    """Each would be kept until those before it are answered."""
    with serving(Settings(redis_url=redis_url, port=0)) as (url, _):
        assert answer_to(url, WHOLE * 500).count(b"HTTP/1.1 ") < 50
        assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200


@pytest.mark.parametrize(
    ("sent", "status", "slug"),
    [
        (
            POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            501,
            "unknown-coding",
        ),
        (POST + b"Host: y\r\n\r\n", 400, "malformed-request"),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400, "malformed-request"),
        (b"GET /healthz\r\n\r\n", 400, "malformed-request"),
        (b"nonsense\r\n\r\n", 400, "malformed-request"),
    ],
)
def test_request_that_can_be_read_in_two_ways_is_refused(
    redis_url: str, sent: bytes, status: int, slug: str
) -> None:
    """As a problem, like every other."""
    with serving(Settings(redis_url=redis_url, port=0)) as (url, _):
        answer = answer_to(url, sent)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert f"urn:pixelrnn:problem:{slug}".encode() in answer


def test_whole_request_is_answered_when_the_process_stood_still(
    redis_url: str, worker: HandWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than a client may take: it was there in time, and only not read."""
    monkeypatch.setattr(receiving, "HEADERS_S", 1.5)
    with (
        serving(Settings(redis_url=redis_url, port=0, receive_s=1.5)) as (url, running),
        ExitStack() as open_ones,
    ):
        clients = [open_ones.enter_context(connected(url)) for _ in range(20)]
        for client in clients:
            client.sendall(HALF_HEADERS)
        loop = running.servers[0].get_loop()
        loop.call_soon_threadsafe(time.sleep, 3)
        time.sleep(0.2)
        for client in clients:
            client.sendall(b"x\r\nConnection: close\r\n\r\n")
        assert all(all_of(client).startswith(b"HTTP/1.1 200") for client in clients)


def test_open_requests_are_answered_when_the_server_stops(
    worker: HandWorker, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while Redis does not answer: a problem that says when to come back, and no trace of an exception."""
    monkeypatch.setenv("PIXELRNN_DRAIN_S", "1")
    with (
        process_serving(redis_url) as (process, address),
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        link = submit_sample(client)["links"]["self"]
        (server,) = {int(worker.redis.info("server")["process_id"])}
        os.kill(server, signal.SIGSTOP)
        try:
            with connected(address) as waiting:
                waiting.sendall(
                    f"GET {link}?wait=20 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
                )
                time.sleep(0.1)
                process.send_signal(signal.SIGTERM)
                answer = all_of(waiting)
        finally:
            os.kill(server, signal.SIGCONT)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"\r\nretry-after: 2\r\n" in answer.lower()
        assert b"urn:pixelrnn:problem:stopping" in answer
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
        assert process.wait(60) in (0, -signal.SIGTERM)
