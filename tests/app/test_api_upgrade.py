"""Requests that offer to go on in another protocol, as Java's HttpClient does with each."""

import json
import re
import socket

import httpx
import pytest

from tests.app.hand_worker import HandWorker

OFFER = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
BODY = json.dumps({"model": "grey", "seed": 7})


def request(
    length: str = f"Content-Length: {len(BODY)}", body: str = BODY, offer: str = OFFER
) -> bytes:
    lines = [
        "POST /s%61mple?& HTTP/1.1",
        f"{offer}Host: localhost",
        "Content-Type: application/json",
        length,
    ]
    return "\r\n".join([*lines, "", body]).encode()


CHUNKED = request(
    "Transfer-Encoding: chunked",
    f"5\r\n{BODY[:5]}\r\n{len(BODY) - 5:x}\r\n{BODY[5:]}\r\n0\r\n\r\n",
)
GET = f"GET /healthz HTTP/1.1\r\n{OFFER}Host: localhost\r\n\r\n".encode()
LAST = GET.replace(b"Upgrade, ", b"Upgrade, close, ")


def statuses(url: str, *packets: bytes) -> list[str]:
    """Of the answers to requests, the last of which asks to close the connection."""
    with socket.create_connection(
        (httpx.URL(url).host, httpx.URL(url).port or 80), timeout=60
    ) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for packet in packets:
            connection.sendall(packet)
        said = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    return re.findall(r"HTTP/1\.1 ([0-9]{3}) ", said)


@pytest.mark.parametrize("sent", [request(), CHUNKED], ids=["length", "chunked"])
@pytest.mark.parametrize("cut", [None, 10, 60, -1, -len(BODY) - 20, -len(BODY)])
def test_body_arrives_whole_when_an_upgrade_is_offered(
    api_url: str, worker: HandWorker, sent: bytes, cut: int | None
) -> None:
    """However it is cut into packets."""
    packets = [sent] if cut is None else [sent[:cut], sent[cut:]]
    assert statuses(api_url, *packets, LAST) == ["202", "200"]
    assert worker.take().seed == 7


def test_connection_goes_on_after_an_offer(api_url: str, worker: HandWorker) -> None:
    """With more such requests and with others, all sent at once."""
    sent = GET + request() + CHUNKED + GET + request(offer="") + LAST
    assert statuses(api_url, sent) == ["200", "202", "202", "200", "202", "200"]


@pytest.mark.parametrize(
    "sent",
    [
        request("Transfer-Encoding: chunked", "zz\r\n"),
        request("Content-Length: many"),
        GET.replace(b"HTTP/1.1", b"HTTP/9.9"),
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n",
    ],
)
def test_bad_requests_are_refused_with_an_offer_too(api_url: str, sent: bytes) -> None:
    """And the connection ends."""
    (status,) = statuses(api_url, sent)
    assert status.startswith("4")
