"""An exception in a drawing thread costs the jobs that its engine draws, and no more."""

import numpy as np
import pytest
import torch

from model_core.image_request import ImageRequest
from model_core.models import Model
from model_core.sampling.compiled.stage import CompiledStage, StepWork
from model_core.sampling.compiled.threaded import ThreadedStage
from model_core.sampling.offline import draw
from tests.model_core.lively import lively
from worker.engine.cohort import Cohort
from worker.engine.model_pool import ModelPool
from worker.engine.slot_plan import SlotPlan
from worker.orders.images import PlannedImage

IMAGES = 6


def images_of(cohort: Cohort) -> dict[str, np.ndarray]:
    """Draw to the end what is seated: images (C, H, W) by job and number."""
    rows: dict[str, list[np.ndarray]] = {}
    while cohort.busy:
        for seat, row in cohort.step():
            rows.setdefault(f"{seat.token}{seat.sample}", []).append(row.values)
    return {name: np.stack(each, 1) for name, each in rows.items()}


def seat_all(cohort: Cohort, token: str) -> list[ImageRequest]:
    requests = [ImageRequest(5, i) for i in range(IMAGES)]
    for request in requests:
        cohort.seat(token, PlannedImage(request, 0))
    return requests


def expect_right(model: Model, cohort: Cohort, token: str) -> None:
    expected = draw(model, seat_all(cohort, token))
    images = images_of(cohort)
    for i in range(IMAGES):
        np.testing.assert_array_equal(images[f"{token}{i}"], expected[i])


def test_next_jobs_draw_the_right_bytes_after_a_thread_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also those of another model, which were half drawn, in the same threads."""
    monkeypatch.setattr(ThreadedStage, "worth_s", 0.0)
    models = {
        name: lively(preset, torch.float32)
        for name, preset in (("a", "mnist-row-lstm"), ("b", "mnist-pixelcnn"))
    }
    pool = ModelPool(models, SlotPlan(IMAGES, 0, slot_memory_mib=64, threads=3))
    cohorts = {name: Cohort(lambda name=name: pool.engine(name)) for name in models}
    expected = draw(models["b"], seat_all(cohorts["b"], "kept"))
    cohorts["b"].step()

    compute, calls = CompiledStage.compute, [0]

    def breaks(stage: CompiledStage, work: StepWork) -> int:
        calls[0] += 1
        if calls[0] == 3:
            raise MemoryError("a thread fails")
        return compute(stage, work)

    seat_all(cohorts["a"], "lost")
    with monkeypatch.context() as patched:
        patched.setattr(CompiledStage, "compute", breaks)
        with pytest.raises(MemoryError):
            images_of(cohorts["a"])
    assert cohorts["a"].clear() == {"lost"}
    expect_right(models["a"], cohorts["a"], "next")
    rest = images_of(cohorts["b"])
    for i in range(IMAGES):
        # Its first rows were handed on before.
        image = rest[f"kept{i}"]
        np.testing.assert_array_equal(image, expected[i][:, -image.shape[1] :])
