"""The stage in plain torch: static shapes, rows in a wave, company that comes and goes."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from model_core import sample
from model_core.models import Model
from model_core.networks import PixelNetwork
from model_core.sampling.plain.schedule import Schedule
from model_core.sampling.plain.stage import PlainStage
from model_core.sampling.plain.step import StaticStep
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
from tests.model_core.reference import reference_sample


@pytest.fixture(params=PRESETS)
def model(request: pytest.FixtureRequest) -> Model:
    return lively(request.param)


def alone(network: PixelNetwork, i: int, given: int = 0) -> np.ndarray:
    stage = PlainStage(network, 1)
    stage.open(0, drawing(i, given))
    return finish(stage)[0]


@pytest.mark.parametrize("width", [2, 4, 5, 9, 12])
@pytest.mark.parametrize("preset", PRESETS)
def test_schedule_visits_every_pixel_once_and_never_too_early(
    preset: str, width: int
) -> None:
    """In raster order within a row, and at least four columns behind the row above, to its end."""
    config = lively(preset, layers=1, width=width).config
    schedule = Schedule(config, slots=2, device=torch.device("cpu"))
    schedule.begin(1, first=1, end=H)
    at = {}
    for tick in range(2 * H * width):
        where = schedule.now()
        assert len(where.slot) == schedule.places
        for place in where.live.nonzero()[:, 0].tolist():
            assert int(where.slot[place]) == 1
            pixel = int(where.y[place]), int(where.x[place])
            assert pixel not in at
            at[pixel] = tick
        schedule.move_on()
    assert set(at) == {(y, x) for y in range(1, H) for x in range(width)}
    ahead = width if preset == "mnist-diagonal-bilstm" else 4
    for (y, x), tick in at.items():
        assert x == 0 or at[y, x - 1] < tick
        assert y == 1 or at[y - 1, min(x + ahead, width) - 1] < tick


@pytest.mark.parametrize(("channels", "values"), [(1, 2), (3, 4)])
@pytest.mark.parametrize("preset", PRESETS)
def test_images_equal_the_reference_when_rows_are_drawn_in_a_wave(
    preset: str, channels: int, values: int
) -> None:
    """Samples and completions, three rows of each at once."""
    model = lively(preset, channels=channels, values=values)
    assert torch.equal(sample(model, 2, seed=11), reference_sample(model, 2, seed=11))
    generator = torch.Generator().manual_seed(4)
    known = torch.randint(0, values, (channels, H, W), generator=generator)
    keep = torch.rand(H, W, generator=generator) < 0.5
    assert torch.equal(
        sample(model, 2, 4, 0.7, known, keep),
        reference_sample(model, 2, 4, 0.7, known, keep),
    )


@pytest.mark.parametrize("base", ["pixel-cnn", "row-lstm", "diagonal-bilstm"])
def test_multi_scale_equals_the_reference_when_rows_are_drawn_in_a_wave(
    base: str,
) -> None:
    """Both stages, the second with its conditioning map."""
    model = scales(network=base)
    assert torch.equal(sample(model, 2, seed=3), reference_sample(model, 2, seed=3))


def test_bytes_are_the_same_when_company_comes_and_goes(model: Model) -> None:
    """An image joins beside ones in the middle, others leave and a slot is used again."""
    stage = PlainStage(plain(model), 3)
    stage.open(2, drawing(0))
    for _ in range(2):
        stage.step()
    stage.open(0, drawing(1))
    stage.step()
    stage.close(2)
    stage.open(1, drawing(2, given=2))
    stage.open(2, drawing(3))
    images = finish(stage)
    np.testing.assert_array_equal(images[1], alone(plain(model), 2, given=2))
    np.testing.assert_array_equal(images[2], alone(plain(model), 3))
    np.testing.assert_array_equal(
        images[0], alone(plain(model), 1)[:, -images[0].shape[1] :]
    )


@pytest.mark.parametrize("given", [1, H])
def test_fork_gives_the_bytes_of_an_image_drawn_from_the_top(
    model: Model, given: int
) -> None:
    """Also beside the one it was taken from, and where only the last row is left."""
    stage = PlainStage(plain(model), 3)
    stage.open(2, drawing(0, given))
    first = drawing(1, given).given_rows
    while not any(row.y == first - 1 for row in stage.step()):
        pass
    stage.fork(2, 0, drawing(1, given))
    images = finish(stage)
    for slot, i in ((2, 0), (0, 1)):
        np.testing.assert_array_equal(
            images[slot], alone(plain(model), i, given)[:, first:]
        )


def test_first_row_of_an_image_is_there_when_its_width_is_drawn(model: Model) -> None:
    """And one more with each step after that, though several are being drawn."""
    stage = PlainStage(plain(model), 1)
    stage.open(0, drawing(0))
    assert [[row.y for row in stage.step()] for _ in range(H + 1)] == [
        [0],
        [1],
        [2],
        [3],
        [],
    ]


def test_slots_without_an_image_may_hold_anything(model: Model) -> None:
    """What is not a number in a slot left behind stays there, and the next image in it knows nothing of it."""
    stage = PlainStage(plain(model), 3)
    stage.open(1, drawing(7))
    stage.step()
    for tensor in _floats(stage._step):
        tensor[:, 1] = torch.nan
    stage.close(1)
    stage.open(0, drawing(0))
    stage.step()
    stage.open(1, drawing(1))
    images = finish(stage)
    np.testing.assert_array_equal(images[1], alone(plain(model), 1))
    np.testing.assert_array_equal(
        images[0], alone(plain(model), 0)[:, -images[0].shape[1] :]
    )


def _floats(step: StaticStep) -> Iterator[torch.Tensor]:
    """The maps of the layers, seen as (L, slots, cells of one, F)."""
    for part in vars(step.stepper).values():
        if isinstance(maps := getattr(part, "_maps", None), torch.Tensor):
            yield maps.view(len(maps), len(step.values), -1, maps.shape[-1])
        elif isinstance(maps := getattr(part, "maps", None), torch.Tensor):
            yield maps


class Trace(TorchDispatchMode):
    """Every operation that torch runs, with the shapes it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[str, list[torch.Size]]] = []
        self.devices: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        tensors = [
            leaf
            for leaf in tree_leaves((args, kwargs))
            if isinstance(leaf, torch.Tensor)
        ]
        self.operations.append((func.name(), [tensor.shape for tensor in tensors]))
        self.devices |= {tensor.device.type for tensor in tensors}
        return func(*args, **(kwargs or {}))


def test_step_is_the_same_operations_whoever_is_drawn(model: Model) -> None:
    """And none of them reads a number out, or makes a tensor of one."""
    stage, traces = PlainStage(plain(model), 3), []
    for opened in ([], [drawing(0)], [drawing(1, given=2), drawing(2)]):
        for image in opened:
            stage.open(len(stage._passes), image)
        with Trace() as trace:
            stage._step()
        traces.append(trace.operations)
    assert traces[0] == traces[1] == traces[2]
    names = {name for name, _ in traces[0]}
    assert names & {"aten::addmm", "aten::index_put_"}
    assert not names & {
        "aten::_local_scalar_dense",
        "aten::nonzero",
        "aten::lift_fresh",
        "aten::masked_select",
    }


def test_step_runs_where_no_number_can_be_read() -> None:
    """On tensors without content nothing can depend on one, nor lie on another device."""
    for preset in PRESETS:
        step = StaticStep(plain(lively(preset)).to("meta"), slots=2)
        with Trace() as trace:
            step()
        assert trace.devices == {"meta"}


def test_logits_that_are_not_finite_end_the_step_when_they_are_drawn_from(
    model: Model,
) -> None:
    """And not where the pixels are given."""
    plain(model).head.output.bias[0] = torch.nan
    stage = PlainStage(plain(model), 2)
    stage.open(0, drawing(0, given=H - 1))
    for y in range(H - 1):
        assert [row.y for row in stage.step()] == [y]
    with pytest.raises(FloatingPointError, match="not finite"):
        stage.step()
