"""Completions that are ranked: scored by the worker once they are drawn, also when another had begun."""

import numpy as np
import pytest
import torch

from model_core import load_model
from model_core.data.pixels import pixels_to_values
from model_core.measures.picture_score import score_picture
from tests.worker.harness import Client, StartWorker
from worker.contract.jobs import JobSpec
from worker.contract.kinds.complete import CompletionSummary


def submit(client: Client, model: str) -> JobSpec:
    """Three completions of an image whose first two rows are given."""
    shape = client.spec(model)
    image = torch.zeros(
        (shape.height, shape.width, shape.channels), dtype=torch.uint8
    ).numpy()
    keep = np.zeros((shape.height, shape.width), np.uint8)
    keep[:2] = 1
    changes = {
        "kind": "complete",
        "filled_pixels": int((keep == 0).sum()),
        "rank": True,
    }
    return client.submit(image.tobytes(), keep.tobytes(), model=model, n=3, **changes)


@pytest.mark.parametrize("model", ["tiny-cnn", "tiny-rgb", "tiny-scales"])
def test_images_are_scored_when_a_job_ranks_them(
    served: Client, models_dir, model: str
) -> None:
    """Each with the likelihood of the whole image, as POST /score would say."""
    spec = submit(served, model)
    record = served.succeeded(spec)
    loaded = load_model(model, models_dir=models_dir)
    values = pixels_to_values(
        served.images(spec).transpose(0, 3, 1, 2), loaded.config.values
    )
    assert isinstance(record.result, CompletionSummary)
    expected = [score_picture(loaded, image).nats for image in values]
    np.testing.assert_allclose(record.result.sample_nats, expected, rtol=1e-5)


def test_images_are_ranked_when_the_worker_is_killed(
    client: Client, start_worker: StartWorker, models_dir
) -> None:
    """The rows of the first worker count too."""
    doomed = start_worker(step_delay_s=0.2)
    spec = submit(client, "tiny-cnn")
    client.wait_rows(spec.id, 9)
    doomed.kill()
    start_worker()
    record = client.wait_end(spec.id)
    loaded = load_model("tiny-cnn", models_dir=models_dir)
    values = pixels_to_values(
        client.images(spec).transpose(0, 3, 1, 2), loaded.config.values
    )
    assert isinstance(record.result, CompletionSummary)
    expected = [score_picture(loaded, image).nats for image in values]
    np.testing.assert_allclose(record.result.sample_nats, expected, rtol=1e-5)
