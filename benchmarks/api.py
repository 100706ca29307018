"""The load that one API process takes: jobs accepted and refused a second, and event streams kept fed. No network draws
here: rows are written by hand, as a worker's would be.

    python benchmarks/api.py
    python benchmarks/api.py --part streams --streams 2000 --rows-per-s 1000 --seconds 20

The server has a core of its own where there are two; Redis (append-only, `appendfsync always`) and the load share the
others. On a machine that does other work too, `cpu_us` is the figure to trust: processor time of the API process for
each job or row, so that 1e6 / cpu_us is what a free core would do. Each part prints one JSON line.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from benchmarks.api_client import (
    HEALTH,
    Answers,
    ask_for,
    open_streams,
    sample_request,
    submit,
)
from pixelrnn.embedded import EmbeddedRedis
from worker.contract import keys, scripts
from worker.contract.cards import ModelCard, WorkerInfo
from worker.contract.events import row_entry

_CORES = sorted(os.sched_getaffinity(0))
_TURNS = 5
SIDE = 32
CARD = ModelCard(
    name="bench",
    digest="0" * 64,
    network="none",
    height=SIDE,
    width=SIDE,
    channels=3,
    values=256,
    parameters=0,
    data="none",
)
BODY = b'{"model": "bench", "n": 2}'
TOKEN = "bench-token"
BOUNDLESS = {
    "PIXELRNN_CLIENT_RATE": "1e6",
    "PIXELRNN_CLIENT_JOBS": "1000000000",
    "PIXELRNN_QUEUE_JOBS": "1000000000",
    "PIXELRNN_QUEUE_WORK": "1000000000000",
}


@dataclass(frozen=True)
class Process:
    pid: int

    def cpu_s(self) -> float:
        """Processor time used so far, by its own and the kernel's code."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_kib(self) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


@dataclass(frozen=True)
class Api(Process):
    port: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--part", choices=["accepts", "rejects", "streams", "all"], default="all"
    )
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--streams", type=int, default=2000)
    parser.add_argument("--rows-per-s", type=int, default=1000)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedRedis(Path(directory)) as server,
    ):
        for part in (accepts, rejects, streams):
            if options.part in ("all", part.__name__):
                print(
                    json.dumps({"part": part.__name__, **part(server.url, options)}),
                    flush=True,
                )


def accepts(url: str, options: argparse.Namespace) -> dict[str, Any]:
    """Jobs accepted a second: each is on disk before its 202."""
    with serving(url, BOUNDLESS) as api:
        return _posts(api, options, expected=202)


def rejects(url: str, options: argparse.Namespace) -> dict[str, Any]:
    """Requests refused a second while the queue is full."""
    with serving(url, BOUNDLESS | {"PIXELRNN_QUEUE_JOBS": "1"}) as api:
        asyncio.run(ask_for(api.port, sample_request(BODY), 1, 0.01))
        return _posts(api, options, expected=503)


def _posts(api: Api, options: argparse.Namespace, expected: int) -> dict[str, Any]:
    """Post jobs in turns with GET /healthz, which asks nobody: `times_healthz` is the cost on any machine."""
    answers, yardstick, cpu_s, yardstick_cpu_s = Answers(), Answers(), 0.0, 0.0
    asyncio.run(ask_for(api.port, sample_request(BODY), options.connections, 0.5))
    for _ in range(_TURNS):
        cpu_s += _asked(
            api,
            sample_request(BODY),
            options.connections,
            options.seconds / _TURNS,
            answers,
        )
        yardstick_cpu_s += _asked(
            api, HEALTH, options.connections, options.seconds / _TURNS / 4, yardstick
        )
    assert set(answers.statuses) == {expected}, answers.statuses
    each, healthz = (
        cpu_s / len(answers.seconds),
        yardstick_cpu_s / len(yardstick.seconds),
    )
    return {
        "per_s": round(len(answers.seconds) / options.seconds),
        "cpu_us": round(1e6 * each),
        "times_healthz": round(each / healthz, 2),
        **_quantiles(answers.seconds),
        "connections": options.connections,
    }


def _asked(
    api: Api, request: bytes, connections: int, seconds: float, answers: Answers
) -> float:
    """Add to the answers; returns processor seconds of the API."""
    cpu_s = api.cpu_s()
    more = asyncio.run(ask_for(api.port, request, connections, seconds))
    answers.seconds += more.seconds
    for status, number in more.statuses.items():
        answers.statuses[status] = answers.statuses.get(status, 0) + number
    return api.cpu_s() - cpu_s


def streams(url: str, options: argparse.Namespace) -> dict[str, Any]:
    """Rows brought to so many readers of as many jobs."""
    with serving(url, BOUNDLESS) as api, connected(url) as client:
        client.delete(f"rq:queue:{keys.QUEUE}")
        return asyncio.run(_streams(api, client, options))


async def _streams(
    api: Api, client: redis.Redis, options: argparse.Namespace
) -> dict[str, Any]:
    names = await submit(api.port, BODY, options.streams)
    for name in names:
        client.eval(scripts.CLAIM, 4, *scripts.of(name), TOKEN)
    before_kib, ages_s = api.memory_kib(), []
    opening = time.perf_counter()
    readers = await open_streams(api.port, names, ages_s)
    opening = time.perf_counter() - opening
    each_kib = (api.memory_kib() - before_kib) / len(readers)
    cpu_s, feeding = api.cpu_s(), _Feeder(client, names, options.rows_per_s)
    written = await asyncio.to_thread(feeding.run, options.seconds)
    await asyncio.sleep(1)
    cpu_s = api.cpu_s() - cpu_s
    assert all(reader.in_order for reader in readers), "rows out of order"
    got = sum(reader.rows for reader in readers)
    assert got == written, f"{got} of {written} rows came"
    return {
        "streams": len(readers),
        "rows": got,
        "rows_per_s": round(written / options.seconds),
        "cpu_us": round(1e6 * cpu_s / got),
        **_quantiles(ages_s),
        "kib_a_stream": round(each_kib, 1),
        "redis_connections": int(client.info("clients")["connected_clients"]) - 1,  # type: ignore[index]
        "opened_in_s": round(opening, 1),
    }


class _Feeder:
    """Writes rows to all jobs in turn, on a schedule; each carries the time at which it is written."""

    def __init__(self, client: redis.Redis, names: list[str], rows_per_s: int) -> None:
        self._client = client
        self._names = names
        self._rows_per_s = rows_per_s

    def run(self, seconds: float) -> int:
        """How many rows were written."""
        written, begun, batch = 0, time.perf_counter(), max(1, self._rows_per_s // 100)
        while (passed := time.perf_counter() - begun) < seconds:
            if written > passed * self._rows_per_s:
                time.sleep(0.002)
                continue
            pipeline = self._client.pipeline(transaction=False)
            for _ in range(batch):
                name, seq = (
                    self._names[written % len(self._names)],
                    written // len(self._names) + 1,
                )
                row = struct.pack("<d", time.monotonic()).ljust(SIDE * 3, b"\0")
                entry = row_entry(0, (seq - 1) % SIDE, row)
                pipeline.eval(
                    scripts.APPEND, 4, *scripts.of(name), TOKEN, seq, 1, entry
                )
                written += 1
            assert set(pipeline.execute()) == {b"ok"}
        return written


def _quantiles(seconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=100)
    return {"p50_ms": round(1000 * cuts[49], 1), "p99_ms": round(1000 * cuts[98], 1)}


@contextlib.contextmanager
def connected(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url) as client:
        yield client


def announce(client: redis.Redis) -> None:
    """Announce a worker that does not expire."""
    info = WorkerInfo(
        name="bench", device="none", slots=1, models=(CARD,), started_at=1.0
    )
    client.sadd(keys.WORKERS, info.name)
    client.set(keys.worker(info.name), info.model_dump_json())


@contextlib.contextmanager
def serving(url: str, settings: dict[str, str]) -> Iterator[Api]:
    """A server process before this Redis, and a worker's announcement that does not expire."""
    with connected(url) as client:
        client.flushall()
        announce(client)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "PIXELRNN_REDIS_URL": url,
        "PIXELRNN_PORT": str(port),
        **settings,
    }
    command = [sys.executable, "-m", "pixelrnn", "api"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        _keep_apart(process.pid)
        _await(f"http://127.0.0.1:{port}/readyz", process)
        yield Api(process.pid, port)
    finally:
        process.terminate()
        process.wait(10)


def _keep_apart(pid: int) -> None:
    if len(_CORES) > 1:
        os.sched_setaffinity(pid, _CORES[:1])
        os.sched_setaffinity(0, _CORES[1:])


def _await(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(address, timeout=2) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise RuntimeError("the server does not come up")


if __name__ == "__main__":
    main()
