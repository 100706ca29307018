"""A reply of Redis that gets lost after Redis has acted."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

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
