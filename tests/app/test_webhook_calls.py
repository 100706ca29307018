"""Where a webhook goes, and where it does not."""

import asyncio
import shutil
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path

import pytest

from app.webhooks import calls
from app.webhooks.addresses import Place, WebhookAddress
from app.webhooks.calls import WebhookCallError, WebhookCalls
from app.webhooks.signatures import key_of, signature_headers
from tests.app.receiver import Receiver, make_certificate

KEY = b"k" * 32
needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="needs openssl to make a certificate"
)


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    running = Receiver(certificate)
    yield running
    running.close()


class Names:
    """Answers look-ups of a name, one after the other."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        return self.answers.pop(0)


def post(url: str, names: Names | None = None) -> int:
    async def posted() -> int:
        calling = WebhookCalls(KEY) if names is None else WebhookCalls(KEY, names)
        try:
            return await calling.post(WebhookAddress.of(url), "id", b"{}")
        finally:
            await calling.close()

    return asyncio.run(posted())


def test_a_name_leads_to_no_machine_but_a_public_one(subtests: pytest.Subtests) -> None:
    """However the address is written; where the operator names an address itself, it is meant."""
    for address in [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "198.18.0.1",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "::127.0.0.1",
        "2001:0:7f00:1::80ff:fffe",
        "64:ff9b:1::1",
        "fec0::1",
    ]:
        with subtests.test(address=address):
            assert not Place("hooks.example", 443).may_lead_to(ip_address(address))
            assert Place(address.partition("%")[0], 443).may_lead_to(
                ip_address(address)
            )


@pytest.mark.parametrize(
    "address",
    [
        "93.184.215.14",
        "8.8.8.8",
        "2606:4700:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
    ],
)
def test_a_name_leads_to_public_machines(address: str) -> None:
    """And `localhost` to none of them."""
    assert Place("hooks.example", 443).may_lead_to(ip_address(address))
    assert not Place("localhost", 443).may_lead_to(ip_address(address))


@needs_openssl
@pytest.mark.parametrize(
    "found", [["127.0.0.1"], ["::ffff:127.0.0.1"], ["8.8.8.8", "127.0.0.1"], []]
)
def test_nobody_is_called_when_a_name_leads_inside(
    receiver: Receiver, found: list[str]
) -> None:
    """Not even a connection is made: also where only one of its addresses is inside."""
    with pytest.raises(WebhookCallError, match="not public"):
        post(f"https://hooks.example:{receiver.port}/", Names(found))
    assert not receiver.names


@needs_openssl
def test_the_address_that_was_looked_at_is_called(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads elsewhere a moment later changes nothing: it is looked up once. The certificate must be of the
    name, and the receiver is told it."""
    monkeypatch.setattr(Place, "may_lead_to", lambda *_: True)
    assert (
        post(f"https://hooks.example:{receiver.port}/a?b=%20c", Names(["127.0.0.1"]))
        == 204
    )
    (message,) = receiver.messages
    assert receiver.names == ["hooks.example"]
    assert message.headers["host"] == f"hooks.example:{receiver.port}"
    assert message.path == "/a?b=%20c"
    with pytest.raises(WebhookCallError, match="certificate"):
        post(f"https://other.example:{receiver.port}/", Names(["127.0.0.1"]))
    assert len(receiver.messages) == 1


@needs_openssl
def test_the_next_address_is_tried_when_one_does_not_answer(receiver: Receiver) -> None:
    """As for `localhost`, which is ::1 as well."""
    assert (
        post(f"https://localhost:{receiver.port}/", Names(["127.0.0.2", "127.0.0.1"]))
        == 204
    )
    assert post(f"https://127.0.0.1:{receiver.port}?x") == 204
    assert [message.path for message in receiver.messages] == ["/", "/?x"]
    with pytest.raises(WebhookCallError, match="ConnectError"):
        post(f"https://localhost:{receiver.port}/", Names(["127.0.0.2"]))


@needs_openssl
def test_no_redirect_is_followed_and_no_proxy_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is its status, and only that."""
    for variable in ("HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    receiver.answers.append((307, f"https://localhost:{receiver.port}/elsewhere"))
    assert post(receiver.url) == 307
    assert len(receiver.messages) == 1


def _send_slowly(handler: BaseHTTPRequestHandler) -> None:
    while True:
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.05)


def _send_much(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: " + 4 * 1024 * 1024 * b"x")


@needs_openssl
@pytest.mark.parametrize(
    ("answer", "reason"),
    [(_send_slowly, "no answer within"), (_send_much, "ProtocolError")],
)
def test_an_answer_has_bounds(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, answer: object, reason: str
) -> None:
    """In time, though something trickles in for ever, and in length."""
    monkeypatch.setattr(calls, "LIMIT_S", 1.5)
    receiver.before_answer = answer  # type: ignore[assignment]
    with pytest.raises(WebhookCallError, match=reason):
        post(receiver.url)


@needs_openssl
def test_the_body_of_an_answer_is_not_read(receiver: Receiver) -> None:
    """It may have no end."""

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
        while True:
            handler.wfile.write(65536 * b"x")

    receiver.before_answer = endless
    assert post(receiver.url) == 200


def test_signature_is_that_of_the_specification() -> None:
    """The key, message and signature of the reference libraries' own tests."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signature_headers(
        key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers == {
        "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "Webhook-Timestamp": "1614265330",
        "Webhook-Signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
