"""A reply that gets lost after Redis has acted."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from app.queue_entry import queue_key
from app.settings import Settings
from tests.app.hand_worker import HandWorker
from tests.app.live import serving
from tests.app.test_api_errors import is_problem
from worker.contract import scripts

SEEN_BY_THE_SERVER_S = 0.2


@contextlib.contextmanager
def losing_replies_to(command: bytes, path: str, target: str) -> Iterator[None]:
    """A proxy that passes everything on, but hangs up instead of returning the reply to `command`."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    sockets, threads = [listener], []

    def start(work: Callable[..., None], *arguments: object) -> None:
        threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        threads[-1].start()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, server = listener.accept()[0], socket.socket(socket.AF_UNIX)
                sockets.extend((client, server))
                server.connect(target)
                start(_pump, client, server, command)
                start(_pump, server, client, None)

    start(accept)
    try:
        yield
    finally:
        for end in sockets:
            _hang_up(end)
        for thread in threads:
            thread.join(10)
        for end in sockets:
            end.close()


def _pump(source: socket.socket, sink: socket.socket, last: bytes | None) -> None:
    """Bytes from one side to the other, until a packet holds `last`: that one still goes on, but nothing comes back."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if last is not None and last in data:
                source.shutdown(socket.SHUT_WR)
                sink.sendall(data)
                time.sleep(SEEN_BY_THE_SERVER_S)
                break
            sink.sendall(data)
    for end in (source, sink):
        _hang_up(end)


def _hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


def test_job_is_queued_once_when_the_reply_is_lost(redis_url: str, worker: HandWorker, tmp_path: Path) -> None:
    """The client gets 503 and cannot know, but Redis never gets the same job twice."""
    target = redis_url.removeprefix("unix://").partition("?")[0]
    digest = worker.redis.script_load(scripts.SUBMIT)
    path = str(tmp_path / "proxy")
    with (
        losing_replies_to(digest.encode(), path, target),
        serving(Settings(redis_url=f"unix://{path}", port=0)) as (url, _),
        httpx.Client(base_url=url) as client,
    ):
        is_problem(client.post("/sample", json={"model": "grey"}), 503)
    assert worker.redis.llen(queue_key()) == 1
    assert len(list(worker.redis.scan_iter("px:job:*"))) == 1
