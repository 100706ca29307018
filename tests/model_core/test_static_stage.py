"""The stage in plain torch: static shapes, rows in a wave, company that comes and goes; and the same on a GPU."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from typer.testing import CliRunner

from model_core import sample
from model_core.errors import ConfigError
from model_core.image_request import ImageRequest
from model_core.measures.speed import measure
from model_core.models import Model
from model_core.networks import PixelNetwork
from model_core.sampling.model_engine import Engine
from model_core.sampling.plain.schedule import Schedule
from model_core.sampling.plain.stage import PlainStage
from model_core.sampling.plain.step import StaticStep
from pixelrnn.verbs import root
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

needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device"
)


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
    """And none of them hands a number to the host or makes a tensor of one: what a CUDA graph can hold."""
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


def _images(model: Model, count: int, slots: int) -> torch.Tensor:
    """The first `count` images of a seed, drawn in an engine of `slots` slots: (count, C, H, W)."""
    engine, rows = Engine(model, slots), {}
    for i in range(count):
        engine.admit(ImageRequest(seed=7, sample=i))
    while engine.busy:
        for row in engine.step():
            if not row.of_small:
                rows.setdefault(row.ticket, []).append(row.values)
    return torch.from_numpy(
        np.stack([np.stack(rows[ticket], 1) for ticket in sorted(rows)]).astype(
            np.int64
        )
    )


def on_gpu(model: Model) -> Model:
    model.network.to("cuda")
    return Model.of(model.network, model.card, "cuda")


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("preset", PRESETS)
def test_replayed_step_equals_the_step_itself_on_a_gpu(preset: str) -> None:
    """Bit for bit in float32: values, noise and the maps of all layers, through joins and a slot used again."""
    model = on_gpu(lively(preset, torch.float32))
    replayed, eager = PlainStage(plain(model), 3), PlainStage(plain(model), 3)
    eager._run = lambda: eager._step().cpu()

    def both() -> None:
        first, second = replayed.step(), eager.step()
        assert [(row.slot, row.y) for row in first] == [
            (row.slot, row.y) for row in second
        ]
        assert torch.equal(replayed._step.values[:3], eager._step.values[:3])

    for stage in (replayed, eager):
        stage.open(1, drawing(0, given=2))
    both()
    for stage in (replayed, eager):
        stage.open(0, drawing(1))
    while replayed._passes:
        both()
    for one, other in zip(_floats(replayed._step), _floats(eager._step), strict=True):
        assert torch.equal(one[:, :2], other[:, :2])


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("slots", [1, 4, 16, 64, 256, 1024])
@pytest.mark.parametrize("preset", [*PRESETS, "cifar10-multi-scale"])
def test_images_on_a_gpu_equal_those_of_a_cpu(preset: str, slots: int) -> None:
    """In double precision, whatever the number of slots; the last slots are checked as well as the first."""
    model = scales() if preset == "cifar10-multi-scale" else lively(preset)
    expected = _images(model, slots, slots)
    assert torch.equal(_images(on_gpu(model), slots, slots), expected)


@pytest.mark.gpu
@needs_gpu
def test_two_stages_keep_apart_when_both_replay() -> None:
    """A Multi-Scale model's graphs have their own memory: joined images in both stages are as on a CPU."""
    model = on_gpu(scales())
    together = _images(model, 5, 8)
    for count in (1, 3):
        assert torch.equal(_images(model, count, 8), together[:count])


@pytest.mark.gpu
@needs_gpu
def test_bench_measures_a_gpu() -> None:
    """The verb ends well, says which device it was, and finds more than nothing of its peak."""
    result = CliRunner().invoke(
        root,
        [
            "bench",
            "sampling",
            "--preset",
            "mnist-pixelcnn",
            "--device",
            "cuda",
            "--json",
        ],
    )
    assert result.exit_code == 0
    facts = json.loads(result.stdout.splitlines()[-1])
    assert facts["device"] == "cuda"
    assert 0 < facts["efficiency"] < 1


def test_bench_refuses_a_device_it_cannot_measure() -> None:
    """One that is not there, and several processes on one that is not a CPU."""
    with pytest.raises(ConfigError, match="'abacus' is no device"):
        measure("mnist-pixelcnn", batch=1, device="abacus")
    with pytest.raises(ConfigError, match=r"there is no cuda:99|expected threads = 1"):
        measure("mnist-pixelcnn", batch=2, threads=2, device="cuda:99")
