"""What the worker's tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.harness import Client, StartWorker, WorkerProcess, launch, wait_for
from worker.contract import keys


@pytest.fixture
def client(redis_url: str, models_dir: Path) -> Iterator[Client]:
    client = Client(redis_url, models_dir)
    yield client
    client.redis.close()


@pytest.fixture
def start_worker(client: Client, redis_url: str, models_dir: Path, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts workers, waits until they are announced, and kills what is left of them in the end."""
    workers: list[WorkerProcess] = []

    def start(ready: bool = True, **settings: object) -> WorkerProcess:
        name = f"w{len(workers) + 1}"
        worker = launch(name, redis_url, models_dir, tmp_path / f"{name}.log", settings)
        workers.append(worker)
        if ready:
            wait_for(lambda: client.redis.exists(keys.worker(name)) or worker.process.poll() is not None, "readiness")
            assert worker.process.poll() is None, worker.log.read_text()
        return worker

    yield start
    for worker in workers:
        worker.kill()
