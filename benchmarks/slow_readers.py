"""Many who read a few jobs' events slowly, at one API: does each get all of them, and what does the API hold meanwhile?

    python benchmarks/slow_readers.py [--readers 10000] [--bytes-a-second 1000]

The jobs wait until all readers are there, whose sockets hold 4 kB. Then they are drawn at once, and read so many bytes
a second. It prints the API's and Redis's memory, the API's open files, and how long /healthz took.
"""

import argparse
import contextlib
import os
import re
import socket
import statistics
import threading
import time
from dataclasses import dataclass, field

import httpx
import psutil
from page import machine
from stack import Stack

from worker.contract import keys

JOBS, IMAGES = 40, 8
RECEIVE_BUFFER = 4096
OPENING_AT_ONCE = 50
SLICES = 20
PAUSE_S = 2.0
SUSPENDED = "rq:suspended"
OK = b"HTTP/1.1 200"
END = b"0\r\n\r\n"
_ID = re.compile(rb"^id: (\d+)-0\r?$", re.MULTILINE)


@dataclass
class Reader:
    """One reader of a job. Where it is let go it comes back with the last id that it has."""

    port: int
    job_id: str
    seen: bytearray = field(default_factory=bytearray)
    """All of its connection so far, as it came."""
    numbers: list[int] = field(default_factory=list)
    """The ids of events that it was given by the connections before."""
    returns: int = 0

    def open(self) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", self.port))
        last = f"Last-Event-ID: {self.numbers[-1]}-0\r\n" if self.numbers else ""
        self.socket.sendall(f"GET /jobs/{self.job_id}/events HTTP/1.1\r\nHost: localhost\r\n{last}\r\n".encode())

    def has_begun(self) -> bool:
        """True once its answer's head has come, if that says 200."""
        while b"\r\n\r\n" not in self.seen and self.read(RECEIVE_BUFFER):
            pass
        self.socket.setblocking(False)
        return self.seen.startswith(OK)

    def read(self, most: int) -> bool:
        """Take what is there, of so many bytes. False where the connection is over."""
        try:
            data = self.socket.recv(most)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            data = b""
        self.seen += data
        return bool(data)

    def go_on(self, most: int) -> bool:
        """Read, and come back if need be. False when it has the whole answer."""
        if not self.read(most):
            self.numbers += self._numbers()
            self.seen.clear()
            self.returns += 1
            self.open()
            self.socket.setblocking(False)
        return not (self.seen.startswith(OK) and self.seen.endswith(END))

    def got_all(self, rows: int) -> bool:
        """True if it has each row once, in order, and the end."""
        return self.numbers + self._numbers() == [*range(1, rows + 2)]

    def _numbers(self) -> list[int]:
        """The ids of whole events of this connection, whose chunks are put together."""
        head, _, rest = bytes(self.seen).partition(b"\r\n\r\n")
        chunks = list[bytes]()
        while b"\r\n" in rest and head.startswith(OK):
            size, _, rest = rest.partition(b"\r\n")
            chunks.append(rest[: int(size, 16)])
            rest = rest[int(size, 16) + 2 :]
        whole = b"".join(chunks).rpartition(b"\n\n")[0] + b"\n"
        return [int(number) for number in _ID.findall(whole)]


class Watch(threading.Thread):
    """Asks /healthz, and looks at the API and Redis, each half second."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self._url = stack.url
        lines = {" ".join(child.cmdline()): child for child in psutil.Process(stack.pid).children(recursive=True)}
        self._api, self._redis = (
            next(p for line, p in lines.items() if word in line) for word in ("pixelrnn api", "valkey-server")
        )
        self.took_s: list[float] = []
        self.failed = 0
        self.highest = [0, 0, 0]
        self.before = self._look()

    def run(self) -> None:
        with httpx.Client(timeout=30) as client:
            while True:
                began = time.monotonic()
                try:
                    client.get(f"{self._url}/healthz").raise_for_status()
                    self.took_s.append(time.monotonic() - began)
                except httpx.HTTPError:
                    self.failed += 1
                with contextlib.suppress(psutil.NoSuchProcess):
                    self.highest = list(map(max, self.highest, self._look()))
                time.sleep(0.5)

    def _look(self) -> list[int]:
        return [self._api.num_fds(), self._api.memory_info().rss >> 20, self._redis.memory_info().rss >> 20]

    def say(self, what: str) -> None:
        """Print all that was seen since the last time."""
        took = sorted(self.took_s) or [0.0]
        fds, api, redis = self.highest
        print(
            f"{what}: {fds:,} files of the API, {api} MiB, Redis {redis} MiB; /healthz {len(took)} times, median "
            f"{1000 * statistics.median(took):.0f} ms, longest {took[-1]:.2f} s, failed {self.failed}; load "
            f"{os.getloadavg()[0]:.1f}",
            flush=True,
        )
        self.took_s, self.failed, self.highest = [], 0, [0, 0, 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=10_000)
    parser.add_argument("--bytes-a-second", type=int, default=1000)
    parser.add_argument("--model", default="mnist-diagonal-bilstm")
    asked = parser.parse_args()
    with Stack(asked.model, PIXELRNN_MAX_STREAMS=str(asked.readers), PIXELRNN_ACCESS_LOG="false") as stack:
        stack.redis.set(SUSPENDED, 1)
        bodies = [{"model": asked.model, "n": IMAGES, "seed": seed} for seed in range(JOBS)]
        jobs = [httpx.post(f"{stack.url}/sample", json=body).raise_for_status().json() for body in bodies]
        watch = Watch(stack)
        print(f"Measured on {machine()}. Before: files, MiB, Redis's MiB: {watch.before}", flush=True)
        watch.start()
        port = int(stack.url.rpartition(":")[2])
        readers, refused, began = [], 0, time.monotonic()
        while len(readers) < asked.readers:
            count = min(OPENING_AT_ONCE, asked.readers - len(readers))
            some = [Reader(port, jobs[(len(readers) + i) % JOBS]["id"]) for i in range(count)]
            for reader in some:
                reader.open()
            good = [reader for reader in some if reader.has_begun()]
            refused += len(some) - len(good)
            readers += good
        watch.say(f"{len(readers):,} opened in {time.monotonic() - began:.0f} s, {refused} refused")
        stack.redis.delete(SUSPENDED)
        began, drawn_s = time.monotonic(), 0.0
        under_way, most = list(readers), int(asked.bytes_a_second * PAUSE_S)
        while under_way:
            left = []
            for first in range(SLICES):
                left += [reader for reader in under_way[first::SLICES] if reader.go_on(most)]
                time.sleep(PAUSE_S / SLICES)
            under_way = left
            if not drawn_s and not stack.redis.exists(keys.OPEN):
                drawn_s = time.monotonic() - began
        took_s = time.monotonic() - began
        watch.say(f"jobs were drawn after {drawn_s:.0f} s, the last reader was done after {took_s:.0f} s")
        got_all = sum(reader.got_all(jobs[i % JOBS]["rows_total"]) for i, reader in enumerate(readers))
        returns = sum(reader.returns for reader in readers)
        print(f"{got_all:,} of {len(readers):,} have every row once and the end; they came back {returns:,} times")
        for reader in readers:
            reader.socket.close()
        time.sleep(5)
        watch.highest = [0, 0, 0]
        time.sleep(2)
        watch.say("after they left")


if __name__ == "__main__":
    main()
