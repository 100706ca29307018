"""Clients that send slowly, or nothing; and requests that are open when the server stops."""

import os
import signal
import socket
import time
from contextlib import ExitStack

import httpx
import pytest

from app.settings import Settings
from app.wire import receiving
from tests.app.hand_worker import HandWorker, eventually
from tests.app.live import serving
from tests.app.test_api_events import process_serving

HALF_HEADERS = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "
HALF_JSON = (
    b'POST /sample HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"model": '
)
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def connected(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def all_of(connection: socket.socket) -> bytes:
    """What comes until the other end hangs up."""
    parts = []
    while part := connection.recv(4096):
        parts.append(part)
    return b"".join(parts)


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
    with serving(Settings(redis_url=redis_url, port=0, receive_s=0.4)) as (url, _), connected(url) as slow:
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


def test_server_answers_when_hundreds_send_nothing(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are places for some of them; beyond, the oldest has to leave, and one that asks is answered at once."""
    monkeypatch.setattr(receiving, "MOST_WAITING", 20)
    with serving(Settings(redis_url=redis_url, port=0)) as (url, running), ExitStack() as silent:
        connections = [silent.enter_context(connected(url)) for _ in range(100)]
        began = time.monotonic()
        assert httpx.get(f"{url}/healthz").status_code == 200
        assert time.monotonic() - began < 2
        assert b"too-slow" in all_of(connections[0])
        eventually(lambda: len(running.server_state.connections) <= 21)


def test_open_requests_are_answered_when_the_server_stops(
    worker: HandWorker, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while Redis does not answer: a problem that says when to come back, and no trace of an exception."""
    monkeypatch.setenv("PIXELRNN_DRAIN_S", "1")
    with process_serving(redis_url) as (process, address), httpx.Client(base_url=address, timeout=20) as client:
        link = client.post("/sample", json={"model": "grey"}).json()["links"]["self"]
        (server,) = {int(worker.redis.info("server")["process_id"])}
        os.kill(server, signal.SIGSTOP)
        try:
            with connected(address) as waiting:
                waiting.sendall(f"GET {link}?wait=20 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
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
        assert process.wait(5) in (0, -signal.SIGTERM)
