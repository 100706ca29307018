"""A reply that gets lost after Redis has acted."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.queue_entry import QUEUE_KEY
from app.settings import Settings
from tests.app.hand_worker import HandWorker
from tests.app.live import serving
from tests.app.test_api_errors import is_problem

SEEN_BY_THE_SERVER_S = 0.2


@contextlib.contextmanager
def losing_replies_to(command: bytes, path: str, target: str) -> Iterator[None]:
    """A proxy that passes everything on, but hangs up instead of returning the reply to `command`."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def pump(source: socket.socket, sink: socket.socket, cut: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if cut and command in data:
                    source.shutdown(socket.SHUT_WR)  # the client waits for a reply that cannot come any more
                    sink.sendall(data)
                    time.sleep(SEEN_BY_THE_SERVER_S)
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(target)
                threading.Thread(target=pump, args=(client, server, True), daemon=True).start()
                threading.Thread(target=pump, args=(server, client, False), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the proxy's sockets are closed by its threads' end
def test_job_is_queued_once_when_the_reply_is_lost(redis_url: str, worker: HandWorker, tmp_path: Path) -> None:
    """The client gets 503 and cannot know, but Redis never gets the same job twice."""
    target = redis_url.removeprefix("unix://").partition("?")[0]
    path = str(tmp_path / "proxy")
    with (
        losing_replies_to(b"EXEC", path, target),
        serving(Settings(redis_url=f"unix://{path}", port=0)) as (url, _),
        httpx.Client(base_url=url) as client,
    ):
        is_problem(client.post("/sample", json={"model": "grey"}), 503)
    assert worker.redis.llen(QUEUE_KEY) == 1
    assert len(list(worker.redis.scan_iter("px:job:*"))) == 1
