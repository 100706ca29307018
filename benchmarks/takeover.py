"""How long a job stands still when the worker that draws it is killed: writes its section of
docs/internals/performance.md.

    python benchmarks/takeover.py [--kills 40]

A job is sent, its worker is killed with -9 while it draws, and the seconds are counted until the job's next row is in
its stream. Three ways: two workers that nobody watches, whose leases run out; and two, or one, under `pixelrnn up`,
whose supervisor hands the jobs back. Linux only. The machine should have a processor for each worker.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx
from page import machine, table, write_section
from redis import Redis
from stack import Stack, free_port

from model_core.measures.speed import percentile
from pixelrnn import processes
from pixelrnn.embedded import EmbeddedRedis
from worker.contract import keys
from worker.contract.events import EventType
from worker.jobs.announcement import announced

MODEL = "mnist-diagonal-bilstm"
IMAGES = 64
STEP_DELAY_S = "0.05"
"""The worker sleeps so long before rows go out, so that a job of small images lasts until long after the kill."""

WORKERS = 2
BETWEEN_S = 16.0
"""`pixelrnn up` ends when a child dies five times within a minute."""

LIMIT_S = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=40, help="of each of the three")
    kills: int = parser.parse_args().kills
    os.environ["PIXELRNN_STEP_DELAY_S"] = STEP_DELAY_S
    with Unwatched() as unwatched:
        rows = [_row("of two, no supervisor", _stops(unwatched, kills, WORKERS, unwatched.mend))]
    for name, workers in (("of two, `pixelrnn up`", 2), ("the only one, `pixelrnn up`", 1)):
        with Stack(MODEL, workers) as stack:
            rows.append(_row(name, _stops(stack, kills, workers, lambda: time.sleep(BETWEEN_S))))
    header = ["worker killed", "times", "p50 s", "p99 s", "longest s"]
    lines = ["", f"Measured on {machine()}.", "", *table(header, rows), ""]
    print("\n".join(lines))
    write_section("takeover", lines)


def _row(name: str, seconds: list[float]) -> list[str]:
    figures = statistics.median(seconds), percentile(seconds, 99), max(seconds)
    return [name, str(len(seconds)), *(f"{figure:.2f}" for figure in figures)]


def _stops(service: "Stack | Unwatched", kills: int, workers: int, before: Callable[[], None]) -> list[float]:
    """Seconds that each of so many jobs stood still. `before`: what is to be done before each."""
    seconds = []
    for _ in range(kills):
        before()
        _until(lambda: _ready(service.redis) == workers)
        seconds.append(_stop(service))
    return seconds


def _stop(service: "Stack | Unwatched") -> float:
    """Kill the worker that draws a new job; seconds until its next row. The job is canceled in the end."""
    job_id = httpx.post(f"{service.url}/sample", json={"model": MODEL, "n": IMAGES}).raise_for_status().json()["id"]
    stream = keys.events(job_id)
    _until(lambda: service.redis.xlen(stream) > 0)
    worker = service.redis.hget(f"{keys.RQ_JOB}{job_id}", "worker_name").decode()
    os.kill(_processes_of(worker)[0], signal.SIGKILL)
    killed_at = time.monotonic()
    time.sleep(0.1)  # what it sent before is in the stream by now
    last = service.redis.xrevrange(stream, count=1)[0][0]
    found: Any = []
    while not found and time.monotonic() - killed_at < LIMIT_S:
        found = service.redis.xread({stream: last}, count=1, block=1000)
    stood = time.monotonic() - killed_at
    if not found or found[0][1][0][1][b"type"] != EventType.ROW.encode():
        raise RuntimeError(f"the job did not go on: {found}")
    httpx.post(f"{service.url}/jobs/{job_id}/cancel").raise_for_status()
    _until(lambda: service.redis.hget(keys.job(job_id), "status") == b"canceled")
    return stood


def _ready(redis: Any) -> int:
    """How many workers live, by what Linux says, and can draw."""
    return sum(MODEL in worker.ready and bool(_processes_of(worker.name)) for worker in announced(redis))


def _processes_of(worker: str) -> list[int]:
    """The worker's own process, where it lives; its engine's has the same environment."""
    word = f"PIXELRNN_WORKER_NAME={worker}".encode()
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            is_its = word in (place / "environ").read_bytes().split(b"\0")
            if is_its and b"worker.start" in (place / "cmdline").read_bytes().split(b"\0"):
                found.append(int(place.name))
        except OSError:
            continue
    return found


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("this takes too long: something else is wrong")
        time.sleep(0.01)


class Unwatched:
    """The embedded server, an API and two workers, whose deaths nobody sees."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="pixelrnn-")
        self._data = Path(self._directory.name)
        self._server = EmbeddedRedis(self._data)
        self.redis: Any = Redis.from_url(self._server.url)
        self.url = f"http://127.0.0.1:{free_port()}"
        self._environment = {**os.environ, "PIXELRNN_REDIS_URL": self._server.url, "PIXELRNN_MODELS": MODEL}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self._server.start()
        self._start("api", "pixelrnn", "api", "--port", self.url.rpartition(":")[2])
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running.values():
            processes.stop(process, grace_s=5)
        self.redis.close()
        self._server.stop()
        self._directory.cleanup()

    def mend(self) -> None:
        """A new worker for each that has ended."""
        self._running = {name: process for name, process in self._running.items() if process.poll() is None}
        while len(self._running) < 1 + WORKERS:
            self._start(f"worker-{uuid.uuid4().hex[:8]}", "worker.start")

    def _start(self, name: str, *module: str) -> None:
        environment = self._environment | {"PIXELRNN_WORKER_NAME": name}
        command = [sys.executable, "-P", "-m", *module]
        self._running[name] = processes.spawn(command, self._data / "log", environment)


if __name__ == "__main__":
    main()
