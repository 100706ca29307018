"""A running `pixelrnn up`, for tests of the whole."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx

from pixelrnn.up import is_ready
from tests.house.processes import children_of, eventually
from tests.nursery import Forked
from tests.ports import free_port
from worker.contract.events import TERMINAL_EVENT

ENGINE = "worker.engine."
PORT = "{port}"
READY_LIMIT_S = 900.0
"""On a busy machine that compiles everything for the first time."""
STOP_LIMIT_S = 100.0
"""Ten times what docs/architecture.md promises, on such a machine."""


class Up:
    """A running `pixelrnn up`. `key`: what it is asked with."""

    key = ""
    process: "subprocess.Popen[str] | Forked"

    def __init__(
        self, data_dir: Path, models_dir: Path, *options: str, **settings: str
    ) -> None:
        where = ["--data-dir", str(data_dir), "--models-dir", str(models_dir)]
        usual = {
            name: value for name, value in os.environ.items() if "REDIS_URL" not in name
        }
        self._start(
            [
                sys.executable,
                "-P",
                "-m",
                "pixelrnn",
                "up",
                "--port",
                PORT,
                *where,
                *options,
            ],
            usual | settings,
        )

    @classmethod
    def by(
        cls, command: Sequence[str], directory: Path, environment: Mapping[str, str]
    ) -> Self:
        """That which a command starts in a directory; in it PORT stands for a free one."""
        up = cls.__new__(cls)
        up._start(command, environment, directory)
        return up

    def _start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        directory: Path | None = None,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._words = [word.replace(PORT, str(self.port)) for word in command]
        self._place = {"cwd": directory, "env": environment}
        self.start_again()

    def start_again(self) -> None:
        """Where the one before has ended."""
        self.process = subprocess.Popen(
            self._words, stderr=subprocess.PIPE, text=True, **self._place
        )

    def wait_until_ready(self) -> None:
        """Until all models are."""
        is_warm = eventually(
            lambda: is_ready(self.url) and not self._is_compiling(),
            READY_LIMIT_S,
            look_s=0.2,
        )
        assert is_warm, self.output()

    def __enter__(self) -> Self:
        self.wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.output()

    def _is_compiling(self) -> bool:
        return any(model["compiling"] for model in self.get("/models")["models"])

    def processes(self) -> dict[int, str]:
        """What each child is, by its process id: server, worker, trainer or api."""
        names = {
            "valkey": "server",
            "worker.start": "worker",
            "start trainer": "trainer",
            "pixelrnn api": "api",
        }
        lines = children_of(self.process.pid)
        return {
            pid: name
            for pid, line in lines.items()
            for word, name in names.items()
            if word in line
        }

    def engines(self) -> dict[int, int]:
        """The processes that draw: process id, and that of the worker."""
        workers = [pid for pid, name in self.processes().items() if name == "worker"]
        return {
            pid: worker
            for worker in workers
            for pid, line in children_of(worker).items()
            if ENGINE in line
        }

    def children(self) -> dict[str, int]:
        """Process ids by what they are: server, worker, trainer, api."""
        return {name: pid for pid, name in self.processes().items()}

    def kill(self, child: str) -> None:
        """kill -9 a child, and wait until another stands in its place and everything is ready."""
        before = self.children()[child]
        os.kill(before, signal.SIGKILL)
        assert eventually(lambda: self.children().get(child, before) != before), (
            f"no new {child}"
        )
        self.wait_until_ready()

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._call("POST", path, json.dumps(body))

    def get(self, path: str) -> dict[str, Any]:
        return self._call("GET", path)

    def train(self, pictures: bytes, minutes: float = 5) -> str:
        """A training on a zip of them; its id."""
        sent: Any = {
            "files": {"images": ("mine.zip", pictures)},
            "data": {
                "name": "corners",
                "minutes": minutes,
                "publish_anyway": True,
            },
        }
        return (
            httpx.post(f"{self.url}/train", **sent, timeout=60)
            .raise_for_status()
            .json()["id"]
        )

    @contextmanager
    def follow(self, path: str) -> Iterator[http.client.HTTPResponse]:
        """An open event stream."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request("GET", path, headers={"Accept": "text/event-stream"})
        yield connection.getresponse()
        connection.close()

    def ended(self, job: str) -> dict[str, Any]:
        """The job, once it has ended."""
        assert eventually(
            lambda: self.get(f"/jobs/{job}?wait=30")["status"] in TERMINAL_EVENT,
            READY_LIMIT_S,
        )
        return self.get(f"/jobs/{job}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> str:
        """Tell it to stop, wait until it has, and return what it said."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=STOP_LIMIT_S)[1]

    def output(self) -> str:
        """End it, and return what it said."""
        self.process.kill()
        return self.process.communicate()[1]

    def _call(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self.key}"} if self.key else {}
        )
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        assert response.status < 300, answer
        return answer


class ForkedUp(Up):
    """The same where its start is not what is tested: its processes are forked, and models are examined but once."""

    def __init__(
        self, data_dir: Path, models_dir: Path, *options: str, **settings: str
    ) -> None:
        self._log = data_dir.with_name(f"{data_dir.name}.log")
        super().__init__(
            data_dir,
            models_dir,
            *options,
            **{"PIXELRNN_KEPT_DIR": f"{models_dir}-kept"} | settings,
        )

    def start_again(self) -> None:
        words = self._words[self._words.index("-m") + 1 :]
        self.process = Forked(words, self._place["env"], self._log)
