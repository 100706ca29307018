"""A server that webhooks are sent to: over TLS on localhost, with a certificate made for it."""

import ssl
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NAMES = "subjectAltName=DNS:localhost,DNS:hooks.example,IP:127.0.0.1"


def make_certificate(directory: Path) -> Path:
    """A file with a key and a certificate, which is its own authority."""
    file = directory / "receiver.pem"
    options = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=receiver",
    ]
    command = [
        "openssl",
        "req",
        "-x509",
        *options,
        "-addext",
        NAMES,
        "-keyout",
        file,
        "-out",
        directory / "cert",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    file.write_text(file.read_text() + (directory / "cert").read_text())
    return file


@dataclass(frozen=True)
class Message:
    path: str
    headers: dict[str, str]
    body: bytes
    at: float


class _Handler(BaseHTTPRequestHandler):
    server: "Receiver"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.messages.append(Message(self.path, headers, body, time.time()))
        if self.server.before_answer is not None:
            self.server.before_answer(self)
        status, location = (
            self.server.answers.popleft() if self.server.answers else (204, None)
        )
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not to stderr."""


class Receiver(ThreadingHTTPServer):
    """Notes what it gets, and answers 204, or as `answers` says. `before_answer` may take its time, or say more."""

    def __init__(self, certificate: Path, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        context.sni_callback = lambda _, name, __: self.names.append(name)
        self.names: list[str | None] = []
        """Which host was asked for in each handshake."""
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )
        self.messages: list[Message] = []
        self.answers: deque[tuple[int, str | None]] = deque()
        self.before_answer: Callable[[BaseHTTPRequestHandler], None] | None = None
        self.port = self.server_address[1]
        self.url = f"https://localhost:{self.port}/done?of=me"
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def handle_error(self, *_: object) -> None:
        """A caller that hangs up, or trusts nobody, is no error of ours."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()
