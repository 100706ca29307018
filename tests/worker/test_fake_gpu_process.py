"""Workers on processors and on a (fake) GPU share a queue: a job of one is continued,
verified and decoded by the other, and the bytes are the same."""

from pathlib import Path

import numpy as np
import pytest

from model_core import load_model, sample
from model_core.data.pixels import values_to_pixels
from tests.worker.harness import Client, StartWorker, WorkerProcess
from worker.contract import keys
from worker.contract.cards import WorkerInfo
from worker.contract.kinds.verify import VerifySummary

ON_GPU = "tests.worker.fake_gpu_engine"
SLOW = 0.3

pytestmark = pytest.mark.timeout(600)
"""Three workers are started one after the other."""


def pixels_of(models_dir: Path, name: str, n: int, seed: int) -> np.ndarray:
    """Samples of a seed as pixels (n, H, W, C), drawn by the compiled loops."""
    model = load_model(name, models_dir=models_dir)
    values = sample(model, n, seed).numpy()
    return values_to_pixels(values, model.config.values).transpose(0, 2, 3, 1)


def announced(client: Client, worker: WorkerProcess) -> WorkerInfo:
    return WorkerInfo.model_validate_json(client.redis.get(keys.worker(worker.name)))


def test_job_that_a_processor_began_is_ended_by_a_card(
    client: Client, start_worker: StartWorker, models_dir: Path
) -> None:
    """The worker is killed in the midst of a picture. What the next one makes of it is
    verified, by the GPU and then by a processor; so is a file of coded images."""
    expected = pixels_of(models_dir, "tiny-rgb", 2, 5)
    doomed = start_worker(step_delay_s=SLOW, slots=1, express_slots=0)
    size = {"width": 4, "height": 5, "channels": 3}
    spec = client.submit(model="tiny-rgb", n=2, seed=5, **size)
    client.wait_rows(spec.id, 3)
    doomed.kill()
    assert len(client.rows(spec.id)) < spec.rows_total

    on_gpu = start_worker(module=ON_GPU)
    client.succeeded(spec)
    np.testing.assert_array_equal(client.images(spec), expected)
    assert {card.on_processors for card in announced(client, on_gpu).models} == {""}

    assert verified(client, expected[1])
    file = encoded(client, expected)
    on_gpu.kill()
    start_worker()
    assert verified(client, expected[1])
    assert encoded(client, expected) == file
    decoded = client.submit(file, b"", kind="decode", model="tiny-rgb", n=2, seed=0)
    client.succeeded(decoded)
    np.testing.assert_array_equal(client.images(decoded), expected)


def test_processors_draw_where_the_card_computes_otherwise(
    client: Client, start_worker: StartWorker, models_dir: Path, monkeypatch
) -> None:
    """The announcement and the log say why; pictures have the same bytes."""
    monkeypatch.setenv("FAKE_GPU", "wrong")
    worker = start_worker(module=ON_GPU)
    for card in announced(client, worker).models:
        assert "differ from the CPU's" in card.on_processors
    reasons = [each for each in worker.events() if each["event"] == "processors_draw"]
    assert {each["model"] for each in reasons} >= {"tiny-cnn", "tiny-rgb"}
    size = {"width": 4, "height": 5, "channels": 3}
    spec = client.submit(model="tiny-rgb", n=2, seed=5, **size)
    client.succeeded(spec)
    expected = pixels_of(models_dir, "tiny-rgb", 2, 5)
    np.testing.assert_array_equal(client.images(spec), expected)


def verified(client: Client, picture: np.ndarray) -> bool:
    """Whether sample 1 of seed 5 is this picture (H, W, C)."""
    how = {"model": "tiny-rgb", "sample": 1, "seed": 5, "drawn_with": "cpu-compiled"}
    spec = client.submit(picture.tobytes(), b"", kind="verify", **how)
    record = client.succeeded(spec)
    assert isinstance(record.result, VerifySummary)
    return record.result.verified


def encoded(client: Client, pictures: np.ndarray) -> bytes:
    """The file of these pictures (n, H, W, C)."""
    how = {"model": "tiny-rgb", "n": len(pictures), "seed": 0}
    spec = client.submit(pictures.tobytes(), b"", kind="encode", **how)
    client.succeeded(spec)
    return client.redis.hget(keys.image(spec.id), "blob")
