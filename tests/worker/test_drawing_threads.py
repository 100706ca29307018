"""A worker that draws in several threads: same bytes, announced and measured."""

import re
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from model_core import load_model, sample
from model_core.data.pixels import values_to_pixels
from model_core.models_directory import default_models_dir
from tests.ports import free_port
from tests.worker.harness import Client, StartWorker
from worker.jobs.announcement import live_workers

pytestmark = pytest.mark.slow

MODEL = "mnist-row-lstm"
THREADS = 3


@pytest.fixture(scope="module")
def models_dir() -> Path:
    return default_models_dir()


def test_worker_of_three_threads_draws_the_bytes_of_one(
    client: Client, start_worker: StartWorker, tmp_path: Path
) -> None:
    """More jobs than slots; it says in how many threads it draws, and for how long each
    of them did."""
    port = free_port()
    start_worker(
        models=MODEL,
        draw_threads=THREADS,
        metrics_port=port,
        kept_dir=tmp_path / "kept",
    )
    jobs = [client.submit(model=MODEL, n=24, seed=seed) for seed in (1, 2, 3)]
    model = load_model(MODEL)
    for seed, spec in enumerate(jobs, start=1):
        client.succeeded(spec)
        drawn = values_to_pixels(sample(model, 24, seed).numpy(), model.config.values)
        np.testing.assert_array_equal(client.images(spec), drawn.transpose(0, 2, 3, 1))
    (worker,) = live_workers(client.redis)
    assert worker.threads == THREADS
    assert worker.slots >= 4 * THREADS
    address = f"http://127.0.0.1:{port}/metrics"
    with urllib.request.urlopen(address, timeout=60) as answer:
        text = answer.read().decode()
    name = r'pixelrnn_worker_drawing_seconds_total\{thread="(\d)"\} (\S+)'
    seconds = {int(number): float(value) for number, value in re.findall(name, text)}
    assert seconds.keys() == {0, 1, 2}
    assert min(seconds.values()) > 0
