"""Everything that `pixelrnn up` starts, in a directory of its own, for the length of a `with` block."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import httpx
from redis import Redis

from pixelrnn.embedded import EmbeddedRedis
from worker.contract import keys

START_LIMIT_S = 180.0


class Stack:
    """The embedded server, workers and the API. `redis`: the server, to watch without troubling the API."""

    def __init__(self, model: str, workers: int = 1, **settings: str) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="pixelrnn-")
        self._data = Path(self._directory.name)
        self.url = f"http://127.0.0.1:{free_port()}"
        self.redis: Any = Redis.from_url(EmbeddedRedis(self._data).url)
        one_client = {
            "PIXELRNN_CLIENT_RATE": "1e6",
            "PIXELRNN_CLIENT_JOBS": "1000000",
        }  # which stands for many
        self._workers = ["--device", "cpu"] * workers
        self._environment = {
            **os.environ,
            "PIXELRNN_MODELS": model,
            **one_client,
            **settings,
        }

    def __enter__(self) -> Self:
        port = self.url.rpartition(":")[2]
        options = ["--port", port, "--data-dir", str(self._data), *self._workers]
        command = [sys.executable, "-m", "pixelrnn", "up", *options]
        with (self._data / "up.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_LIMIT_S
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"pixelrnn up did not start: {(self._data / 'up.log').read_text()}"
                )
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.redis.close()
        self._directory.cleanup()

    def stop(self) -> None:
        """End it; running jobs are not waited for."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)

    def rows_done(self, job_ids: list[str]) -> int:
        """Rows that the jobs have in all."""
        pipeline = self.redis.pipeline(transaction=False)
        for job_id in job_ids:
            pipeline.hget(keys.job(job_id), "rows_done")
        return sum(int(count or 0) for count in pipeline.execute())

    def first_rows(self, job_ids: list[str], block_ms: int) -> list[str]:
        """The jobs that have a first row; waits a little for one."""
        streams = {keys.events(job_id): "0-0" for job_id in job_ids}
        found = self.redis.xread(streams, count=1, block=block_ms) if streams else []
        ids = {keys.events(job_id).encode(): job_id for job_id in job_ids}
        return [
            ids[key]
            for key, entries in found
            if entries[0][1][b"type"] in (b"row", b"rows")
        ]

    def wait_end(self, job_id: str) -> None:
        while self.redis.hget(keys.job(job_id), "status") in (b"queued", b"running"):
            time.sleep(0.002)

    def wait_first_row(self, job_id: str) -> None:
        while not self.first_rows([job_id], block_ms=1000):
            pass

    def occupancy(self) -> float:
        """Images in a step, as the worker said last. RuntimeError, with the end of its log, when it did not."""
        lines = (self._data / "logs" / "worker-0.log").read_text().splitlines()
        said = [
            entry["occupancy"]
            for entry in map(_parsed, lines)
            if entry.get("event") == "model_used"
        ]
        if not said:
            raise RuntimeError(
                "\n".join(
                    [
                        "the worker did not say how full its steps were; its log ends:",
                        *lines[-20:],
                    ]
                )
            )
        return float(said[-1])

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


def _parsed(line: str) -> dict[str, Any]:
    try:
        return json.loads(line)
    except ValueError:
        return {}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
