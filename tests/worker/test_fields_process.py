"""Real worker processes that draw, score and verify pictures larger than the model's."""

import numpy as np
import pytest
import torch

from model_core import load_model, log_likelihood, sample
from model_core.data.pixels import values_to_pixels
from tests.worker.harness import Client, StartWorker
from worker.contract import keys
from worker.contract.jobs import JobSpec, JobStatus
from worker.contract.kinds.score import ScoreSummary
from worker.contract.kinds.verify import VerifySummary
from worker.contract.maps import unpack_map
from worker.contract.size import PUT_OFF


def submit(
    client: Client, size: str, *image: bytes, kind: str = "sample", **changes: object
) -> JobSpec:
    """A job about pictures of this size, as the API would hand it in."""
    width, height = map(int, size.split("x"))
    fields = {
        "model": "tiny-rgb",
        "version": 8,
        "options": {"size": size},
        "width": width,
        "height": height,
    }
    return client.submit(*image, kind=kind, **fields | changes)


def drawn(models_dir, width: int, height: int, n: int = 1, seed: int = 7) -> np.ndarray:
    """Pixels (n, H, W, C) that are drawn without a worker."""
    values = sample(
        load_model("tiny-rgb", models_dir=models_dir), n, seed, size=(width, height)
    )
    return values_to_pixels(values.numpy(), 4).transpose(0, 2, 3, 1).copy()


def test_fields_of_several_widths_are_drawn_row_by_row(
    served: Client, models_dir
) -> None:
    """All at once, of three widths and of several heights: each row once, in order, and the bytes of `sample`."""
    sizes = [(9, 13), (4, 11), (20, 5), (9, 7), (30, 6)]
    asked = [
        (submit(served, f"{width}x{height}", n=4), width, height)
        for width, height in sizes
    ]
    for spec, width, height in asked:
        record = served.wait_end(spec.id)
        assert (record.status, record.rows_done) == (JobStatus.SUCCEEDED, 4 * height)
        np.testing.assert_array_equal(
            served.images(spec), drawn(models_dir, width, height, 4)
        )
    served.wait_idle()


def test_a_third_width_waits_for_one_of_two(
    client: Client, start_worker: StartWorker, models_dir
) -> None:
    """It begins when one of them is over, here because it was canceled; who is canceled while it waits leaves. That it
    waits is told, of none that is drawn."""
    start_worker(step_delay_s=0.05)
    first, second = (submit(client, size) for size in ("9x400", "10x400"))
    for spec in (first, second):
        client.wait_rows(spec.id, 1)
    gone, third = submit(client, "11x400"), submit(client, "12x9")
    client.wait_rows(first.id, 40)
    assert [client.record(spec.id).share for spec in (first, gone, third)] == [
        0,
        PUT_OFF,
        PUT_OFF,
    ]
    client.cancel(gone.id)
    assert client.wait_end(gone.id).rows_done == 0
    assert client.rows(third.id) == []
    client.cancel(first.id)
    client.succeeded(third)
    assert client.status(second.id) is JobStatus.RUNNING
    np.testing.assert_array_equal(client.images(third), drawn(models_dir, 12, 9))
    client.cancel(second.id)
    client.wait_end(second.id)
    client.wait_idle()


def test_a_field_is_verified_and_scored(served: Client, models_dir) -> None:
    """It is drawn again at its size; the score's map has all its pixels, and there is no p-value."""
    pixels = drawn(models_dir, 9, 13)[0]
    verified = served.wait_end(
        submit(served, "9x13", pixels.tobytes(), b"", kind="verify").id
    ).result
    assert isinstance(verified, VerifySummary)
    assert verified.verified
    pixels[12, 8] ^= 85
    verified = served.wait_end(
        submit(served, "9x13", pixels.tobytes(), b"", kind="verify").id
    ).result
    assert isinstance(verified, VerifySummary)
    assert [(each.x, each.y) for each in verified.changed] == [(8, 12)]

    spec = submit(served, "9x13", pixels.tobytes(), b"", kind="score")
    score = served.wait_end(spec.id).result
    assert isinstance(score, ScoreSummary)
    values = torch.from_numpy(pixels // 85).permute(2, 0, 1)[None].long()
    nats = -float(
        log_likelihood(load_model("tiny-rgb", models_dir=models_dir), values)[0]
    )
    assert (score.width, score.height, score.p_value) == (9, 13, None)
    assert score.nats == pytest.approx(nats, rel=1e-5)
    bits = unpack_map(served.redis.hget(keys.image(spec.id), "bits"), 13, 9, 3)
    assert float(np.sum(bits)) * np.log(2) == pytest.approx(nats, rel=1e-4)
    served.wait_idle()


def test_a_job_whose_shape_is_not_that_of_its_size_is_refused(served: Client) -> None:
    """It would be drawn wrong: the size in its options decides."""
    record = served.wait_end(submit(served, "9x13", options={"size": "9x14"}).id)
    assert record.error is not None
    assert record.error.type == "malformed-spec"
