"""Real worker processes that draw a picture again: whose pixels are its own, and which were changed."""

import numpy as np

from model_core import load_model, sample
from model_core.data.pixels import values_to_pixels
from tests.worker.harness import Client
from worker.contract.jobs import JobStatus
from worker.contract.kind import Pixel
from worker.contract.kinds.verify import VerifySummary


def pixels_of(models_dir, name: str) -> np.ndarray:
    """Samples 0 to 3 of seed 7, as pixels (n, H, W, C)."""
    model = load_model(name, models_dir=models_dir)
    return (
        values_to_pixels(sample(model, 4, seed=7).numpy(), model.config.values)
        .transpose(0, 2, 3, 1)
        .copy()
    )


def test_picture_is_verified_only_as_it_was_drawn(served: Client, models_dir) -> None:
    """Every kind of network; one changed pixel is named; another sample, seed or temperature is another picture."""
    for name in ("tiny-cnn", "tiny-diagonal", "tiny-rgb", "tiny-scales"):
        pixels = pixels_of(models_dir, name)[3]
        changed = pixels.copy()
        changed[2, 1, -1] ^= 255

        def found(name: str, picture: np.ndarray, **how: object) -> VerifySummary:
            fields = {"model": name, "sample": 3, **how}
            spec = served.submit(picture.tobytes(), b"", kind="verify", **fields)
            record = served.wait_end(spec.id)
            assert (record.status, record.rows_done) == (JobStatus.SUCCEEDED, 0)
            assert isinstance(record.result, VerifySummary)
            return record.result

        assert found(name, pixels) == VerifySummary(
            verified=True, sample=3, changed_pixels=0, changed=()
        )
        assert found(name, pixels, drawn_with="cpu-pass, cpu-compiled").verified
        forged = VerifySummary(
            verified=False, sample=3, changed_pixels=1, changed=(Pixel(x=1, y=2),)
        )
        assert found(name, changed) == forged
        for how in ({"sample": 2}, {"seed": 8}, {"temperature": 0.01}):
            other = found(name, pixels, **how)
            assert not other.verified
            assert len(other.changed) == min(16, other.changed_pixels) > 0
    served.wait_idle()


def test_picture_of_other_numerics_cannot_be_told(served: Client) -> None:
    """The job fails, and says why, instead of calling an honest picture a forgery."""
    for drawn_with in ("cuda-torch", "cpu-pass, cuda-torch"):
        spec = served.submit(bytes(30), b"", kind="verify", drawn_with=drawn_with)
        error = served.failed(spec)
        assert error.type == "not-verifiable"
        assert (
            f"drawn with {drawn_with} numerics and would be drawn here with cpu-compiled"
            in error.detail
        )
    assert (
        served.wait_end(served.submit(bytes(7), b"", kind="verify").id).status
        is JobStatus.FAILED
    )
    served.wait_idle()
