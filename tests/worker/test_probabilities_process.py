"""Real worker processes say how probable each image is that they drew."""

import math
from pathlib import Path

import pytest
import torch

from model_core import load_model, log_likelihood, sample
from tests.worker.harness import Client, StartWorker
from worker.contract.kinds.sample import SampleSummary

SLOW = 0.3


def expect(result: object, models_dir: Path, n: int, seed: int) -> None:
    """The teacher-forced scores of the images of `tiny-rgb`."""
    assert isinstance(result, SampleSummary)
    assert result.nats is not None
    assert result.bits_per_dim is not None
    model = load_model("tiny-rgb", models_dir=models_dir)
    values = sample(model, n, seed)
    nats = (-log_likelihood(model, values)).tolist()
    assert result.nats == pytest.approx(nats, rel=2e-5)
    bits = [each / math.log(2) / values[0].numel() for each in nats]
    assert result.bits_per_dim == pytest.approx(bits, rel=2e-5)
    assert torch.tensor(result.nats).isfinite().all()


def test_result_says_how_probable_each_image_is(
    served: Client, models_dir: Path
) -> None:
    """In the order of the images; each is -ln p of the whole image."""
    spec = served.submit(model="tiny-rgb", n=5, seed=4, width=4, height=5, channels=3)
    record = served.succeeded(spec)
    expect(record.result, models_dir, 5, 4)


@pytest.mark.parametrize("rows", [1, 7, 11])
def test_resumed_job_says_the_same(
    client: Client, start_worker: StartWorker, models_dir: Path, rows: int
) -> None:
    """Rows that were there when a worker was killed are weighed by the next one, also
    of images that lack none."""
    doomed = start_worker(step_delay_s=SLOW, slots=1, express_slots=0)
    spec = client.submit(model="tiny-rgb", n=3, seed=5, width=4, height=5, channels=3)
    client.wait_rows(spec.id, rows)
    doomed.kill()
    before = client.rows(spec.id)
    assert len(before) < spec.rows_total
    start_worker()
    record = client.succeeded(spec)
    assert client.rows(spec.id)[: len(before)] == before
    assert len(client.rows(spec.id)) == spec.rows_total
    expect(record.result, models_dir, 3, 5)
