"""What the worker's tests share."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from model_core import save_model, untrained
from pixelrnn.embedded import EmbeddedRedis
from tests.nursery import WORKER
from tests.worker.harness import (
    COLD_START_S,
    Client,
    StartWorker,
    WorkerProcess,
    launch,
    wait_for,
)
from worker.contract import keys
from worker.contract.cards import WorkerInfo


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


def is_ready(client: Client, name: str) -> bool:
    """Whether a worker can draw from all its models."""
    text = client.redis.get(keys.worker(name))
    return text is not None and not any(
        card.compiling for card in WorkerInfo.model_validate_json(text).models
    )


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
            wait_for(
                lambda: is_ready(client, name) or worker.process.poll() is not None,
                "readiness",
                COLD_START_S,
            )
            assert worker.process.poll() is None, worker.log.read_text()
        return worker

    yield start
    for worker in workers:
        worker.kill()


@pytest.fixture(scope="module")
def served(
    models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """Asks a worker with three slots, on a server of its own: for all tests of a file that disturb nothing."""
    place = tmp_path_factory.mktemp("served")
    with EmbeddedRedis(place / "data") as server:
        client = Client(server.url, models_dir)
        worker = launch("w1", server.url, models_dir, place / "log", {"slots": 3})
        try:
            wait_for(
                lambda: is_ready(client, "w1") or worker.process.poll() is not None,
                "readiness",
                COLD_START_S,
            )
            assert worker.process.poll() is None, worker.log.read_text()
            yield client
        finally:
            worker.kill()
            client.redis.close()
