"""A worker process is killed while it draws jobs of all kinds, and another goes on with them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model_core import load_model, log_likelihood, sample, upsample
from model_core.data.pixels import values_to_pixels
from tests.house.processes import is_alive
from tests.worker.harness import Client, StartWorker, wait_for
from worker.contract.events import Stage
from worker.contract.kinds.complete import CompletionSummary
from worker.contract.kinds.sample import SampleSummary

SEED = 7
LEAST = 8
"""Rows of each job when the worker is killed."""


def pixels_of(values: torch.Tensor, levels: int) -> np.ndarray:
    """Values (n, C, H, W) as pixels (n, H, W, C)."""
    return values_to_pixels(values.numpy(), levels).transpose(0, 2, 3, 1)


def test_each_job_goes_on_from_its_last_row(
    client: Client, start_worker: StartWorker, models_dir: Path
) -> None:
    """With the bytes of the library: of images that were whole, begun or waiting, in both
    stages and beyond the first window of a large picture. Results know all rows."""
    cnn, rgb, scales = (
        load_model(name, models_dir=models_dir)
        for name in ("tiny-cnn", "tiny-rgb", "tiny-scales")
    )
    chance = torch.Generator().manual_seed(1)
    known = torch.randint(0, 2, (3, 1, 6, 5), generator=chance)
    keep = torch.rand(6, 5, generator=chance) < 0.5
    small = torch.randint(0, 4, (3, 4, 2), generator=chance)
    kept = keep.numpy().astype(np.uint8).tobytes()
    drawn = sample(rgb, 12, SEED)
    field = {"version": 8, "options": {"size": "9x13"}, "width": 9, "height": 13}
    pictures = {"method": "clamp", "pictures": 3}

    doomed = start_worker(step_delay_s=0.05, slots=2, express_slots=0)
    sampled = client.submit(model="tiny-rgb", n=12, width=4, height=5, channels=3)
    ranked = client.submit(
        *(pixels_of(known[:1], 2).tobytes(), kept), kind="complete", n=6, rank=True
    )
    expected = [
        (sampled, drawn, 4),
        (client.submit(model="tiny-scales", n=6), sample(scales, 6, SEED), 4),
        (
            client.submit(
                *(pixels_of(small[None], 4).tobytes(), b""),
                kind="upsample",
                model="tiny-scales",
                n=6,
            ),
            upsample(scales, small, 6, seed=SEED),
            4,
        ),
        (
            client.submit(model="tiny-rgb", n=6, **field),
            sample(rgb, 6, SEED, size=(9, 13)),
            4,
        ),
        (ranked, sample(cnn, 6, SEED, known=known[0], keep=keep), 2),
        (
            client.submit(
                *(pixels_of(known, 2).tobytes(), 3 * kept),
                kind="complete",
                n=6,
                options=pictures,
            ),
            torch.cat(
                [
                    sample(cnn, 2, SEED, known=each, keep=keep, first=2 * i)
                    for i, each in enumerate(known)
                ]
            ),
            2,
        ),
    ]
    specs = [spec for spec, _, _ in expected]
    wait_for(
        lambda: all(len(client.rows(spec.id)) >= LEAST for spec in specs),
        "some rows of each job",
    )
    engine = doomed.engine()
    doomed.kill()
    wait_for(lambda: not is_alive(engine), "the engine's end")
    before = [client.rows(spec.id) for spec in specs]
    assert all(
        len(rows) < spec.rows_total for rows, spec in zip(before, specs, strict=True)
    )
    assert {row.stage for row in before[1]} == {Stage.SMALL, Stage.FINAL}

    start_worker()
    for (spec, values, levels), rows in zip(expected, before, strict=True):
        client.succeeded(spec)
        assert client.attempts(spec.id) == 2
        assert client.rows(spec.id)[: len(rows)] == rows
        np.testing.assert_array_equal(client.images(spec), pixels_of(values, levels))
    assert client.images(specs[1], Stage.SMALL).shape == (6, 4, 2, 3)
    stages = [row.stage for row in client.rows(specs[1].id) if row.sample == 0]
    assert stages == [Stage.SMALL] * 4 + [Stage.FINAL] * 8
    result = client.record(sampled.id).result
    assert isinstance(result, SampleSummary)
    nats = -log_likelihood(rgb, drawn).numpy()
    assert result.nats == pytest.approx(nats, rel=2e-5)
    bits = nats / np.log(2) / rgb.config.dimensions
    assert result.bits_per_dim == pytest.approx(bits, rel=2e-5)
    result = client.record(ranked.id).result
    assert isinstance(result, CompletionSummary)
    nats = (-log_likelihood(cnn, expected[4][1])).tolist()
    assert result.sample_nats == pytest.approx(nats, rel=1e-5)
    client.wait_idle()
