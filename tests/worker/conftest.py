"""What the worker's tests share."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from model_core import save_model, untrained
from tests.nursery import WORKER
from tests.worker.harness import (
    Client,
    StartWorker,
    WorkerProcess,
    launch,
    one_worker,
    wait_ready,
)


@pytest.fixture(scope="session")
def models_dir(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With `tiny-scales` too: Multi-Scale, 4 values, 3 colours, 4 x 2 first and then 8 x 4."""
    directory = tmp_path_factory.mktemp("served")
    shutil.copytree(models_dir, directory, dirs_exist_ok=True)
    size = {
        "layers": 2,
        "hidden": 5,
        "head": 8,
        "height": 8,
        "width": 4,
        "values": 4,
        "conditioning": 5,
        "factor": 2,
    }
    save_model(
        untrained("cifar10-multi-scale", seed=4, **size), directory / "tiny-scales"
    )
    return directory


@pytest.fixture
def client(redis_url: str, models_dir: Path) -> Iterator[Client]:
    client = Client(redis_url, models_dir)
    yield client
    client.redis.close()


@pytest.fixture
def start_worker(
    client: Client, redis_url: str, models_dir: Path, tmp_path: Path
) -> Iterator[StartWorker]:
    """Starts workers, waits until all their models are ready, and kills what is left of them in the end."""
    workers: list[WorkerProcess] = []

    def start(
        ready: bool = True,
        command: Sequence[str] = (),
        module: str = WORKER,
        **settings: object,
    ) -> WorkerProcess:
        name = f"w{len(workers) + 1}"
        log = tmp_path / f"{name}.log"
        worker = launch(name, redis_url, models_dir, log, settings, command, module)
        workers.append(worker)
        if ready:
            wait_ready(client, worker)
        return worker

    yield start
    for worker in workers:
        worker.kill()


@pytest.fixture(scope="session")
def served(
    models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """Asks a worker with three slots, on a server of its own: for all tests that disturb nothing."""
    with one_worker(models_dir, tmp_path_factory.mktemp("served")) as client:
        yield client
