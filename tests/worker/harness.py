"""A client that submits and watches jobs as the API would, and real worker processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import numpy as np
import pytest
from redis import Redis
from rq import Queue, Retry

from app.entries import entries_of
from pixelrnn.embedded import EmbeddedRedis
from tests.acceptance import ACCEPT
from tests.nursery import WORKER, Forked, can_fork
from worker.contract import keys, scripts
from worker.contract.cards import WorkerInfo
from worker.contract.events import EventType, RowDrawn, Stage
from worker.contract.jobs import JobError, JobRecord, JobSpec, JobStatus

PATIENCE_S = 60.0
COLD_START_S = 300.0
"""Of a worker that compiles everything, on a busy machine."""
PROGRAM = [sys.executable, "-m", "worker.start"]


def wait_for(
    condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S
) -> Any:
    """The first true answer of `condition`; fails with what was waited for."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.02)
    pytest.fail(f"waited {patience_s:.0f} s for {what}")


class Client:
    """Submits jobs and reads what becomes of them, with the contract's own scripts."""

    def __init__(self, url: str, models: Path) -> None:
        self.redis: Any = Redis.from_url(url)
        self.queue = Queue(keys.QUEUE, connection=self.redis, serializer="json")
        self._models = models
        self._count = 0

    def spec(self, model: str = "tiny-cnn", **changes: Any) -> JobSpec:
        card = json.loads((self._models / model / "card.json").read_text())
        config = card["config"]
        factor = config.get("factor", 1)
        self._count += 1
        fields: dict[str, Any] = {
            "id": f"job-{self._count}",
            "kind": "sample",
            "model": model,
            "digest": card["sha256"],
            "seed": 7,
            "n": 1,
            "temperature": 1.0,
            **{name: config[name] for name in ("height", "width", "channels")},
            **(
                {
                    "small_height": config["height"] // factor,
                    "small_width": config["width"] // factor,
                }
                if factor > 1
                else {}
            ),
        }
        return JobSpec(**fields | changes)

    def accept(
        self, spec: JobSpec, *image: bytes, spec_json: str | None = None
    ) -> None:
        """The job's own record, without a queue entry."""
        text = spec_json if spec_json is not None else spec.model_dump_json()
        names = scripts.of(spec.id)
        assert (
            self.redis.eval(
                ACCEPT, 4, *names, text, spec.rows_total, keys.ACTIVE_TTL_S, *image
            )
            == 1
        )

    def enqueue(
        self,
        job_id: str,
        function: str = keys.JOB_FUNCTION,
        args: list[str] | None = None,
    ) -> None:
        """The queue entry."""
        arguments = [job_id] if args is None else args
        self.queue.enqueue_call(
            function,
            args=arguments,
            timeout=-1,
            job_id=job_id,
            retry=Retry(max=keys.CRASHES_FORGIVEN),
            result_ttl=60,
            failure_ttl=60,
        )

    def submit(self, *image: bytes, **changes: Any) -> JobSpec:
        spec = self.spec(**changes)
        self.accept(spec, *image)
        self.enqueue(spec.id)
        return spec

    def cancel(self, job_id: str) -> str:
        return self.redis.eval(
            scripts.CANCEL, 4, *scripts.of(job_id), uuid4().hex
        ).decode()

    def record(self, job_id: str) -> JobRecord:
        return JobRecord.from_hash(self.redis.hgetall(keys.job(job_id)))

    def status(self, job_id: str) -> JobStatus:
        return JobStatus(self.redis.hget(keys.job(job_id), "status").decode())

    def attempts(self, job_id: str) -> int:
        return int(self.redis.hget(keys.job(job_id), "attempts") or 0)

    def rows(self, job_id: str) -> list[RowDrawn]:
        entries = entries_of(self.redis.xrange(keys.events(job_id)))
        return [
            RowDrawn.model_validate_json(entry.data)
            for entry in entries
            if entry.type is EventType.ROW
        ]

    def wait_rows(self, job_id: str, count: int) -> None:
        wait_for(lambda: len(self.rows(job_id)) >= count, f"{count} rows of {job_id}")

    def wait_end(self, job_id: str, patience_s: float = PATIENCE_S) -> JobRecord:
        """The ended job. Checks what holds on every path: one terminal event, the last; ids without a gap."""
        wait_for(
            lambda: self.status(job_id).is_terminal, f"the end of {job_id}", patience_s
        )
        entries = entries_of(self.redis.xrange(keys.events(job_id)))
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        kinds = [entry.type for entry in entries]
        assert [kind.is_terminal for kind in kinds] == [False] * (len(kinds) - 1) + [
            True
        ]
        return self.record(job_id)

    def succeeded(self, spec: JobSpec) -> JobRecord:
        record = self.wait_end(spec.id)
        assert record.status is JobStatus.SUCCEEDED, record.error
        return record

    def failed(self, spec: JobSpec) -> JobError:
        """The job's error."""
        record = self.wait_end(spec.id)
        assert record.status is JobStatus.FAILED
        assert record.error is not None
        return record.error

    def images(
        self, spec: JobSpec, stage: Stage = Stage.FINAL
    ) -> "np.ndarray[Any, Any]":
        """Pixels (n, H, W, C) from the rows of one stage; each row once, in order."""
        small = stage is Stage.SMALL
        H, W, C = (
            (spec.small_height if small else spec.height),
            (spec.small_width if small else spec.width),
            spec.channels,
        )
        images = np.zeros((spec.n, H, W, C), np.uint8)
        next_y = [0] * spec.n
        for row in [row for row in self.rows(spec.id) if row.stage is stage]:
            assert row.y == next_y[row.sample]
            next_y[row.sample] += 1
            images[row.sample, row.y] = np.frombuffer(
                row.pixel_bytes(), np.uint8
            ).reshape(W, C)
        assert next_y == [H] * spec.n
        return images

    def leftovers(self) -> dict[str, int]:
        """What must be empty when no job is under way."""
        return {
            "queue": self.redis.llen(self.queue.key),
            "intermediate": self.redis.llen(self.queue.intermediate_queue_key),
            "started": self.redis.zcard(self.queue.started_job_registry.key),
        }

    def wait_idle(self) -> None:
        wait_for(
            lambda: not any(self.leftovers().values()),
            f"no leftovers; there are {self.leftovers()}",
        )


@dataclass
class WorkerProcess:
    """One worker: `python -m worker.start`, or forked."""

    process: subprocess.Popen[bytes] | Forked
    name: str
    log: Path

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        return self.process.wait(timeout_s)

    def engine(self) -> int:
        """The process that draws for it."""
        (pid,) = wait_for(
            lambda: (
                Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
                .read_text()
                .split()
            ),
            "an engine",
        )
        return int(pid)

    def events(self) -> list[dict[str, Any]]:
        """What it has logged; Python itself may say something too, where memory lacks."""
        return [
            json.loads(line)
            for line in self.log.read_text().splitlines()
            if line.startswith("{")
        ]


class StartWorker(Protocol):
    def __call__(
        self,
        ready: bool = True,
        command: Sequence[str] = (),
        module: str = WORKER,
        **settings: object,
    ) -> WorkerProcess: ...


def launch(
    name: str,
    url: str,
    models: Path,
    log: Path,
    settings: dict[str, object],
    command: Sequence[str] = (),
    module: str = WORKER,
) -> WorkerProcess:
    """Start a worker process; settings as in worker.settings, in lower case. command: PROGRAM where the start itself is
    tested; none where the worker may be forked. module: the program that is forked; one
    of the tests' is told that it is to be a worker."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "REDIS_URL": url,
        "PIXELRNN_MODELS_DIR": str(models),
        "PIXELRNN_WORKER_NAME": name,
        "PIXELRNN_KEPT_DIR": f"{models}-kept",  # whose models need be examined but once
        **{
            f"PIXELRNN_{field.upper()}": str(value) for field, value in settings.items()
        },
    }
    if not command and can_fork(environment):
        words = [module] if module == WORKER else [module, "worker"]
        return WorkerProcess(Forked(words, environment, log), name, log)
    assert command or module == WORKER, "only what is forked may be another module"
    with log.open("wb") as stderr:
        return WorkerProcess(
            subprocess.Popen(command or PROGRAM, env=environment, stderr=stderr),
            name,
            log,
        )


def is_ready(client: Client, worker: WorkerProcess) -> bool:
    """Whether a worker can draw from all its models."""
    text = client.redis.get(keys.worker(worker.name))
    return text is not None and not any(
        card.compiling for card in WorkerInfo.model_validate_json(text).models
    )


def wait_ready(client: Client, worker: WorkerProcess) -> None:
    wait_for(
        lambda: is_ready(client, worker) or worker.process.poll() is not None,
        "readiness",
        COLD_START_S,
    )
    assert worker.process.poll() is None, worker.log.read_text()


@contextmanager
def one_worker(models: Path, place: Path, **settings: object) -> Iterator[Client]:
    """A worker `w1` with three slots, on a server of its own. settings: as of `launch`."""
    with EmbeddedRedis(place / "data") as server:
        client = Client(server.url, models)
        given = {"slots": 3, **settings}
        worker = launch("w1", server.url, models, place / "log", given)
        try:
            wait_ready(client, worker)
            yield client
        finally:
            worker.kill()
            client.redis.close()
