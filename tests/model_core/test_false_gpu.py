"""The GPU's way of drawing, on a device that pretends to be one: the same bytes, one wait a step, and no word of the
host in a captured graph. Rounding and speed are for a real one (the tests marked `gpu`)."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from model_core.image_request import ImageRequest
from model_core.models import Model
from model_core.sampling.model_engine import Engine
from model_core.sampling.plain.cuda_graph import ReplayedStep
from model_core.sampling.plain.stage import BANK, PlainStage
from model_core.sampling.stages import numerics_of
from tests.model_core.false_gpu import DEVICE, FalseGPU, OnGPU, WrongOnAGPUError
from tests.model_core.lively import (
    PRESETS,
    H,
    W,
    drawing,
    finish,
    lively,
    plain,
    scales,
)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[FalseGPU]:
    monkeypatch.setattr("model_core.sampling.plain.cuda_graph.WARM_UP", 1)
    with FalseGPU().there() as gpu, torch.inference_mode():
        yield gpu


def on_gpu(model: Model) -> Model:
    model.network.to(DEVICE)
    return Model.of(model.network, model.card, DEVICE.type)


def drawn_in_company(model: Model) -> dict[int, np.ndarray]:
    """Images (C, rows, W) by slot: joins, given rows, a withdrawal, and a slot that is used again."""
    stage = PlainStage(plain(model), 3)
    stage.open(2, drawing(0))
    stage.step()
    stage.open(0, drawing(1, given=2))
    stage.step()
    stage.close(2)
    stage.open(1, drawing(2))
    stage.open(2, drawing(3))
    return finish(stage)


def joined_by_a_weighed_one(model: Model) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """The images, and ln p of the rows of the one that is weighed; it joins while another is half drawn."""
    stage = PlainStage(plain(model), 2)
    stage.open(0, drawing(0))
    first = [row.values for _ in range(2) for row in stage.step()]
    stage.open(
        1, replace(drawing(1, given=2), weighed=torch.ones(H, W, dtype=torch.bool))
    )
    images = finish(stage)
    return images | {
        0: np.concatenate([np.stack(first, 1), images[0]], 1)
    }, stage.log_p(1)


@pytest.mark.parametrize("preset", PRESETS)
def test_images_in_company_have_the_bytes_of_a_cpu(preset: str, gpu: FalseGPU) -> None:
    """Captured once and replayed, through joins, given rows and withdrawals."""
    expected = drawn_in_company(lively(preset, layers=1))
    found = drawn_in_company(on_gpu(lively(preset, layers=1)))
    assert found.keys() == expected.keys()
    for slot, image in expected.items():
        np.testing.assert_array_equal(found[slot], image)


@pytest.mark.parametrize("preset", PRESETS[1:])
def test_a_graph_that_is_captured_again_leaves_the_images_in_it_alone(
    preset: str, gpu: FalseGPU
) -> None:
    """The first weighed image makes it so; the other one goes on from where it was."""
    (expected, expected_log_p), (found, log_p) = (
        joined_by_a_weighed_one(model)
        for model in (lively(preset, layers=1), on_gpu(lively(preset, layers=1)))
    )
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(log_p, expected_log_p)


def test_both_stages_of_a_multi_scale_model_have_the_bytes_of_a_cpu(
    gpu: FalseGPU,
) -> None:
    """With the conditioning map, and images in both stages at once."""

    def drawn(model: Model) -> list[np.ndarray]:
        engine, rows = Engine(model, 2), {}
        for i in range(3):
            while not engine.free:
                for row in engine.step():
                    rows[row.ticket, row.of_small, row.y] = row.values
            engine.admit(ImageRequest(seed=7, sample=i))
        while engine.busy:
            for row in engine.step():
                rows[row.ticket, row.of_small, row.y] = row.values
        return [rows[place] for place in sorted(rows)]

    for found, expected in zip(drawn(on_gpu(scales())), drawn(scales()), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_host_waits_once_a_step(gpu: FalseGPU) -> None:
    """For the rows, and copies nothing to the device."""
    stage = PlainStage(plain(on_gpu(lively("mnist-pixelcnn", layers=1))), 2)
    stage.open(0, drawing(0))
    gpu.counts.clear()
    replays = 0
    while stage._passes:
        stage._run()
        replays += 1
        for slot in list(stage._passes):
            stage._ended_row(slot)
    assert gpu.counts == {"waits": replays}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_forward_pass_copies_nothing_to_the_device(
    preset: str, gpu: FalseGPU
) -> None:
    """Its masks are made there, so that a whole step of training could be captured."""
    network = plain(on_gpu(lively(preset, layers=1)))
    values = torch.zeros(2, 3, H, W, dtype=torch.int64).to(DEVICE)
    gpu.counts.clear()
    assert isinstance(network.nats_map(values), OnGPU)
    assert gpu.counts == {}


def test_any_number_of_slots_up_to_a_bank_is_one_size_of_products(
    gpu: FalseGPU,
) -> None:
    """And more than that is said in the numerics, because a GPU sums by the size."""
    model = on_gpu(lively(PRESETS[0], layers=1))
    sizes = {
        n: PlainStage(plain(model), n)._step.schedule.places
        for n in (1, BANK, BANK + 1)
    }
    assert sizes[1] == sizes[BANK] < sizes[BANK + 1]
    assert [numerics_of(model, slots) for slots in (1, BANK, BANK + 1)] == [
        "meta-torch",
        "meta-torch",
        "meta-torch-64",
    ]


def test_what_would_fail_on_a_gpu_raises(gpu: FalseGPU) -> None:
    """Two devices in one operation; in a capture a number that is read, and a tensor that comes from the host."""
    here, there = torch.ones(2), torch.ones(2).to(DEVICE)
    with pytest.raises(WrongOnAGPUError, match="mixes"):
        _ = here + there
    with pytest.raises(WrongOnAGPUError, match="not deterministic"):
        there.cumsum(0)

    def captured(step):  # type: ignore[no-untyped-def]
        return ReplayedStep(step, lambda: there, DEVICE)

    with pytest.raises(WrongOnAGPUError, match="waits for the device"):
        captured(lambda: there * there.sum().item())
    with pytest.raises(WrongOnAGPUError, match="reads the host's memory"):
        captured(lambda: there + here.to(DEVICE))
    run = captured(lambda: there.add_(1))
    assert there.cpu().tolist() == [1, 1]
    assert [run().tolist() for _ in range(2)] == [[2, 2], [3, 3]]
