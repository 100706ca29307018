"""A reply that gets lost after Redis has acted."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from app.queue_entry import queue_key, rq_job_key
from app.settings import Settings
from tests.app.hand_worker import HandWorker
from tests.app.live import serving
from tests.app.test_api_errors import is_problem
from worker.contract import scripts

SEEN_BY_THE_SERVER_S = 0.2


@contextlib.contextmanager
def losing_replies_to(command: bytes, path: str, target: str, times: int = 1000) -> Iterator[None]:
    """A proxy that passes everything on, but hangs up instead of returning the reply to `command`, so many times."""
    left = threading.Semaphore(times)
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
                start(_pump, client, server, lambda data: command in data and left.acquire(blocking=False))
                start(_pump, server, client, lambda _: False)

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


def _pump(source: socket.socket, sink: socket.socket, is_last: Callable[[bytes], bool]) -> None:
    """Bytes from one side to the other, to the last packet: that one still goes on, but nothing comes back."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if is_last(data):
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


@contextlib.contextmanager
def losing_replies_to_script(script: str, times: int, worker: HandWorker, tmp_path: Path) -> Iterator[httpx.Client]:
    """Speaks to a server to which so many replies of a script get lost."""
    target = worker.redis.connection_pool.connection_kwargs["path"]
    digest = worker.redis.script_load(script)
    path = str(tmp_path / "proxy")
    with (
        losing_replies_to(digest.encode(), path, target, times),
        serving(Settings(redis_url=f"unix://{path}", port=0)) as (url, _),
        httpx.Client(base_url=url) as client,
    ):
        yield client


def test_job_is_queued_once_when_the_reply_is_lost(worker: HandWorker, tmp_path: Path) -> None:
    """The client gets 503 and cannot know, but Redis never gets the same job twice."""
    with losing_replies_to_script(scripts.SUBMIT, 1000, worker, tmp_path) as client:
        is_problem(client.post("/sample", json={"model": "grey"}), 503)
    assert worker.redis.llen(queue_key()) == 1
    assert len(list(worker.redis.scan_iter("px:job:*"))) == 1


def test_cancel_is_sent_again_when_the_reply_is_lost(worker: HandWorker, tmp_path: Path) -> None:
    """The second run finds the job canceled, and takes that for its own work: 202, the job is out of the queue, and
    nothing is deleted. A cancel that comes later is told that the job had ended."""
    with losing_replies_to_script(scripts.CANCEL, 1, worker, tmp_path) as client:
        job = client.post("/sample", json={"model": "grey"}).json()
        link = job["links"]["self"]
        answer = client.post(f"{link}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (202, "canceled")
        assert client.get(link).json() == answer.json()
        assert worker.redis.llen(queue_key()) == 0
        assert not worker.redis.exists(rq_job_key(job["id"]))
        assert client.post(f"{link}/cancel").status_code == 200


def test_cancel_knows_its_work_again_when_the_worker_was_faster(client: httpx.Client, worker: HandWorker) -> None:
    """Also where the job was running, and its worker had ended it before the second run."""
    client.post("/sample", json={"model": "grey"})
    spec = worker.take()
    assert worker.cancel(spec, "a") == b"canceling"
    worker.settle(spec, "canceled")
    assert worker.cancel(spec, "a") == b"canceled"
    assert worker.cancel(spec, "b") == b"settled"
