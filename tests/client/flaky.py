"""A real server that is told what to answer, one answer a connection: what a service in trouble looks like."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Answer:
    """status None: the connection is closed without a word. `cut`: closed before the promised length is reached."""

    status: int | None
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


@contextmanager
def flaky(answers: Sequence[Answer]) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Its URL, and the headers of the requests that came."""
    left, seen = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(dict(self.headers))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = left.pop(0)
            if answer.status is None:
                return
            self.send_response(answer.status)
            if "Content-Type" not in answer.headers:
                is_stream = "event-stream" in self.headers.get("Accept", "")
                self.send_header(
                    "Content-Type",
                    "text/event-stream" if is_stream else "application/json",
                )
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header(
                "Content-Length", str(len(answer.body) + (10 if answer.cut else 0))
            )
            self.end_headers()
            self.wfile.write(answer.body.encode())

        do_GET = do_PUT = do_POST  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)
