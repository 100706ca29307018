"""Many workers and APIs on this machine: what they cost while nothing happens, many streams, and two faults.

    python -m benchmarks.fleet --workers 100 --apis 20 --streams 2000 --killed 30

No network draws. The workers are trainers, which run the same loop, heartbeat and recovery as other workers, but have
no engine process. Rows of the streams are written by hand, as a worker's would be. Each part prints one JSON line.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from redis import Redis

from benchmarks.api import (
    BODY,
    BOUNDLESS,
    SIDE,
    TOKEN,
    Api,
    Process,
    announce,
    connected,
)
from benchmarks.api_client import HEALTH, ask_for, open_streams, submit
from benchmarks.stack import free_port
from pixelrnn import processes
from pixelrnn.embedded import EmbeddedRedis
from worker.contract import keys, scripts
from worker.contract.events import row_entry

LIMIT_S = 600.0
"""For each thing that is waited for."""
ROWS = 2 * SIDE  # of a job of two images


class Fleet:
    """The processes, and a client of their Redis."""

    def __init__(self, place: Path, server: EmbeddedRedis, client: Redis) -> None:
        self._place = place
        self.server = server
        self.redis: Any = client
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.apis: list[Api] = []
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self, workers: int, apis: int) -> dict[str, Any]:
        began = time.monotonic()
        announce(self.redis)
        for _ in range(apis):
            port = free_port()
            command = ["-m", "pixelrnn", "api", "--port", str(port)]
            self.apis.append(Api(self._spawn(command, {}).pid, port))
        for i in range(workers):
            name = {"PIXELRNN_WORKER_NAME": f"idle-{i}"}
            command = ["-m", "worker.start", "trainer"]
            self.workers[f"idle-{i}"] = self._spawn(command, name)
        wait(lambda: self.registered() >= set(self.workers))
        wait(self.is_ready)
        return {"started_in_s": round(time.monotonic() - began, 1)}

    def _spawn(
        self, command: list[str], more: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        settings = {
            **BOUNDLESS,
            "PIXELRNN_REDIS_URL": self.server.url,
            "PIXELRNN_ADDED_DIR": str(self._place / "added"),
            "OMP_NUM_THREADS": "1",
        }
        child = processes.spawn(
            [sys.executable, *command],
            self._place / "fleet.log",
            {**os.environ, **settings, **more},
        )
        self._children.append(child)
        return child

    def stop(self) -> None:
        for child in self._children:
            child.kill()
        for child in self._children:
            child.wait()

    def registered(self) -> set[str]:
        """Return the names of all workers that are announced, or that RQ knows."""
        names = {name.decode() for name in self.redis.smembers(keys.WORKERS)}
        known = self.redis.smembers("rq:workers")
        return names | {name.decode().removeprefix("rq:worker:") for name in known}

    def is_ready(self) -> bool:
        return all(status(api, "/readyz") == 200 for api in self.apis)

    def alive(self) -> int:
        return sum(child.poll() is None for child in self._children)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--apis", type=int, default=20)
    parser.add_argument("--streams", type=int, default=2000)
    parser.add_argument("--killed", type=int, default=30, help="workers")
    parser.add_argument("--seconds", type=float, default=30, help="of the idle part")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with running() as fleet:
        report("start", fleet.start(options.workers, options.apis))
        report("idle", idle(fleet, options.seconds))
        report("streams", asyncio.run(streams(fleet, options.streams)))
        report("workers killed", kill_workers(fleet, options.killed))
        report("Redis killed", kill_redis(fleet))


@contextlib.contextmanager
def running() -> Iterator[Fleet]:
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedRedis(Path(directory)) as server,
        connected(server.url) as client,
    ):
        fleet = Fleet(Path(directory), server, client)
        try:
            yield fleet
        finally:
            fleet.stop()


def report(part: str, figures: dict[str, Any]) -> None:
    load = round(os.getloadavg()[0], 1)
    print(json.dumps({"part": part, **figures, "load": load}), flush=True)


def idle(fleet: Fleet, seconds: float) -> dict[str, Any]:
    """What the fleet takes while it waits."""
    assert fleet.server.process is not None
    server = Process(fleet.server.process.pid)
    workers = [Process(child.pid) for child in fleet.workers.values()]

    def counted() -> list[float]:
        info = fleet.redis.info()
        return [
            info["total_commands_processed"],
            info["aof_current_size"],
            server.cpu_s(),
            sum(worker.cpu_s() for worker in workers),
            sum(api.cpu_s() for api in fleet.apis),
        ]

    before = counted()
    time.sleep(seconds)
    pairs = zip(before, counted(), strict=True)
    commands, written, of_redis, of_workers, of_apis = [
        (after - first) / seconds for first, after in pairs
    ]
    info = fleet.redis.info()
    return {
        "commands_per_s": round(commands),
        "connections": info["connected_clients"],
        "redis_mib": round(info["used_memory"] / 2**20, 1),
        "redis_core_%": round(100 * of_redis, 1),
        "file_kb_per_s": round(written / 1000, 1),
        "worker_core_%": round(100 * of_workers / len(workers), 2),
        "worker_mib": round(statistics.mean(w.memory_kib() for w in workers) / 1024),
        "api_core_%": round(100 * of_apis / len(fleet.apis), 2),
        "api_mib": round(statistics.mean(a.memory_kib() for a in fleet.apis) / 1024),
    }


async def streams(fleet: Fleet, count: int) -> dict[str, Any]:
    """One reader for each of so many jobs, over all APIs, while the jobs are drawn."""
    readers, names = [], []
    for api in fleet.apis:
        ids = await submit(api.port, BODY, count // len(fleet.apis))
        for job_id in ids:
            fleet.redis.eval(scripts.CLAIM, 4, *scripts.of(job_id), TOKEN)
        readers += await open_streams(api.port, ids, [])
        names += ids
    connections = fleet.redis.info("clients")["connected_clients"]

    began = time.monotonic()
    health_s: list[float] = []
    asking = asyncio.create_task(ask_health(fleet.apis[0].port, health_s))
    await asyncio.to_thread(draw, fleet.redis, names)
    await asyncio.wait([reader.ended for reader in readers], timeout=LIMIT_S)
    seconds = time.monotonic() - began
    asking.cancel()
    ended = sum(reader.ended.done() and reader.rows == ROWS for reader in readers)
    return {
        "streams": len(readers),
        "ended_with_all_rows": ended,
        "seconds": round(seconds, 1),
        "redis_connections": connections,
        "healthz_median_ms": round(1000 * statistics.median(health_s)),
        "healthz_most_ms": round(1000 * max(health_s)),
    }


async def ask_health(port: int, seconds: list[float]) -> None:
    """Ask for /healthz until canceled, and append how long each answer took."""
    while True:
        seconds += (await ask_for(port, HEALTH, 1, 0.001)).seconds
        await asyncio.sleep(0.1)


def draw(client: Any, names: list[str]) -> None:
    """Write all rows of all jobs, in turn, and end them."""
    pixels = struct.pack("<d", time.monotonic()).ljust(SIDE * 3, b"\0")
    for first in range(0, ROWS, SIDE // 4):
        places = [divmod(first + i, SIDE) for i in range(SIDE // 4)]
        rows = "\n".join(row_entry(sample, y, pixels) for sample, y in places)
        written = first + 1, len(places), rows
        for name in names:
            client.eval(scripts.APPEND, 4, *scripts.of(name), TOKEN, *written)
    for name in names:
        ended = client.eval(
            scripts.SETTLE, 4, *scripts.of(name), TOKEN, "succeeded", ""
        )
        assert ended == b"ended", ended


def kill_workers(fleet: Fleet, count: int) -> dict[str, Any]:
    """Kill some at once; seconds until nothing in Redis names them."""
    names = set(list(fleet.workers)[:count])
    for name in names:
        fleet.workers[name].send_signal(signal.SIGKILL)
    seconds = wait(lambda: not names & fleet.registered())
    return {"killed": len(names), "gone_after_s": round(seconds, 1)}


def kill_redis(fleet: Fleet) -> dict[str, Any]:
    """Kill it and start it again; seconds until every API is ready, and the processes
    that still run half a minute later."""
    before = fleet.alive()
    assert fleet.server.process is not None
    fleet.server.process.kill()
    fleet.server.process.wait()
    fleet.server.launch()
    seconds = wait(fleet.is_ready)
    time.sleep(30)
    alive = {"ready_after_s": round(seconds, 1), "before": before}
    return {**alive, "alive": fleet.alive()}


def status(api: Api, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{api.port}{path}") as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def wait(is_so: Callable[[], bool]) -> float:
    """Return the seconds until it is so."""
    began = time.monotonic()
    while not is_so():
        if time.monotonic() > began + LIMIT_S:
            raise TimeoutError(f"not so after {LIMIT_S:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
