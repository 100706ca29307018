"""Images that begin alike share the work on what is given; small rows that are drawn are not drawn again."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from model_core import untrained
from model_core.image_request import ImageRequest
from model_core.models import Model
from model_core.networks import MultiScaleNetwork, PixelNetwork
from model_core.sampling.blocks.drivers import ProcessorDriver
from model_core.sampling.blocks.stage import BlockStage
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.drawings import Drawings
from model_core.sampling.engine import Engine
from model_core.sampling.noise import image_noise
from model_core.sampling.plain import PlainStage
from model_core.sampling.stage import Drawing, Stage
from model_core.sampling.stages import slot_bytes
from tests.model_core.arrays import array_bytes

PRESETS = ["mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"]
H, W = 7, 6
GIVEN = 4
StageKind = Callable[[PixelNetwork, int], Any]


def on_blocks(network: PixelNetwork, slots: int) -> BlockStage:
    return BlockStage(network, slots, ProcessorDriver())


STAGES: list[StageKind] = [PlainStage, CompiledStage, on_blocks]
CLOSED: list[StageKind] = [CompiledStage, on_blocks]
"""Those whose slots stay as they are once they are closed."""


class Counting:
    """A stage that counts the images it began at the beginning, and those it forked."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.opened, self.forked = 0, 0
        self.close, self.image, self.step = stage.close, stage.image, stage.step

    def open(self, slot: int, drawing: Drawing) -> None:
        self.opened += 1
        self._stage.open(slot, drawing)

    def fork(self, source: int, target: int, drawing: Drawing) -> None:
        self.forked += 1
        self._stage.fork(source, target, drawing)


@pytest.fixture(params=PRESETS)
def network(request: pytest.FixtureRequest) -> PixelNetwork:
    network = untrained(
        request.param,
        seed=3,
        layers=2,
        hidden=7,
        head=9,
        height=H,
        width=W,
        channels=3,
        values=4,
    ).network
    assert isinstance(network, PixelNetwork)
    return network


def drawing(i: int, given: int = GIVEN) -> Drawing:
    """Image i: its own noise; rows up to `given`, and one pixel of the next, are the same in all."""
    known = torch.randint(0, 4, (3, H, W), generator=torch.Generator().manual_seed(4))
    keep = torch.zeros(H, W, dtype=torch.bool)
    keep[:given] = True
    keep[given : given + 1, 2] = True
    return Drawing(torch.from_numpy(image_noise(5, i, H, W, 3)), 1.0 + i, known, keep)


def finish(stage: Stage | Drawings) -> dict[int, np.ndarray]:
    """The images (C, H, W) by slot, put together from rows that come in order."""
    rows: dict[int, list[np.ndarray]] = {}
    for row in (row for _ in range(10 * H * W) for row in stage.step()):
        rows.setdefault(row.slot, []).append(row.values)
        assert row.y == len(rows[row.slot]) - 1
        assert row.is_last == (row.y == H - 1)
    return {slot: np.stack(each, 1) for slot, each in rows.items()}


def alone(
    kind: StageKind, network: PixelNetwork, i: int, given: int = GIVEN
) -> np.ndarray:
    stage = kind(network, 1)
    stage.open(0, drawing(i, given))
    return finish(stage)[0]


@pytest.mark.parametrize("kind", STAGES)
@pytest.mark.parametrize("given", [1, GIVEN, H])
def test_images_are_the_same_when_they_share_their_given_rows(
    kind: StageKind, network: PixelNetwork, given: int
) -> None:
    """One prefill for four images gives the bytes of four prefills; also where there is nothing to draw."""
    counting = Counting(kind(network, 4))
    shared = Drawings(counting)
    for slot, i in enumerate([2, 0, 3, 1]):
        shared.open(slot, drawing(i, given))
    images = finish(shared)
    assert (counting.opened, counting.forked) == (1, 3)
    for slot, i in enumerate([2, 0, 3, 1]):
        np.testing.assert_array_equal(images[slot], alone(kind, network, i, given))


@pytest.mark.parametrize("kind", STAGES)
def test_images_are_the_same_when_the_first_is_withdrawn(
    kind: StageKind, network: PixelNetwork
) -> None:
    """Another takes over its part, and one that waited and is withdrawn too is not drawn."""
    counting = Counting(kind(network, 4))
    shared = Drawings(counting)
    for slot in range(4):
        shared.open(slot, drawing(slot))
    shared.close(2)
    shared.close(0)
    images = finish(shared)
    assert (counting.opened, counting.forked) == (2, 1)
    assert set(images) == {1, 3}
    for i in (1, 3):
        np.testing.assert_array_equal(images[i], alone(kind, network, i))


@pytest.mark.parametrize("kind", STAGES)
def test_prefill_is_not_shared_when_images_begin_otherwise(
    kind: StageKind, network: PixelNetwork
) -> None:
    """Another number of given rows, other values, or none: each does its own."""
    counting = Counting(kind(network, 4))
    shared = Drawings(counting)
    other = drawing(2)
    assert other.known is not None
    shared.open(0, drawing(0))
    shared.open(1, drawing(1, given=2))
    shared.open(
        2, Drawing(other.noise, other.temperature, (other.known + 1) % 4, other.keep)
    )
    shared.open(3, Drawing(other.noise, other.temperature))
    finish(shared)
    assert (counting.opened, counting.forked) == (4, 0)


@pytest.mark.parametrize("kind", CLOSED)
def test_state_stays_when_its_image_is_done(
    kind: StageKind, network: PixelNetwork
) -> None:
    """What comes later begins after its given rows, in any slot, with the bytes of an image alone; the states that were
    used last stay. One that is withdrawn at once leaves no rows behind."""
    counting = Counting(kind(network, 4))
    shared = Drawings(counting, spare=[2, 3])
    for i, (slot, given, opened) in enumerate(
        [(0, 2, 1), (0, 3, 2), (1, 2, 2), (0, 4, 3), (0, 2, 3), (0, 3, 4)]
    ):
        shared.open(slot, drawing(i, given))
        np.testing.assert_array_equal(
            finish(shared)[slot], alone(kind, network, i, given)
        )
        assert counting.opened == opened, (i, given)
    shared.open(1, drawing(7, 3))
    shared.close(1)
    assert finish(shared) == {}


@pytest.mark.parametrize("kind", CLOSED)
def test_two_images_go_on_from_a_kept_state_at_once(
    kind: StageKind, network: PixelNetwork
) -> None:
    """Beside one that works off other rows."""
    shared = Drawings(counting := Counting(kind(network, 4)), spare=[3])
    shared.open(0, drawing(0))
    finish(shared)
    shared.open(0, drawing(1))
    shared.open(1, drawing(2, given=2))
    shared.open(2, drawing(3))
    images = finish(shared)
    assert counting.opened == 2
    for slot, i, given in [(0, 1, GIVEN), (1, 2, 2), (2, 3, GIVEN)]:
        np.testing.assert_array_equal(images[slot], alone(kind, network, i, given))


def test_prefill_is_not_shared_when_conditions_differ() -> None:
    """The same given rows above two small images are two prefills (section 3.6)."""
    network = untrained(
        "cifar10-multi-scale",
        layers=1,
        hidden=3,
        head=4,
        height=H + 1,
        width=W,
        factor=2,
    ).network
    assert isinstance(network, MultiScaleNetwork)
    for other, expected in ((0.0, 1), (1.0, 2)):
        counting = Counting(PlainStage(network.large, 2))
        shared = Drawings(counting)
        for slot, value in enumerate([0.0, other]):
            keep = torch.zeros(H + 1, W, dtype=torch.bool)
            keep[:2] = True
            condition = torch.full((H + 1, W, network.config.conditioning), value)
            noise, known = (
                torch.zeros(H + 1, W, 3, dtype=torch.float64),
                torch.zeros(3, H + 1, W, dtype=torch.int64),
            )
            shared.open(slot, Drawing(noise, 1.0, known, keep, condition))
        assert counting.opened == expected


@pytest.mark.usefixtures("way")
def test_small_rows_are_taken_when_they_are_given() -> None:
    """A Multi-Scale image resumed within its small image goes on from there, with the bytes of an undisturbed run."""
    size = {
        "layers": 2,
        "hidden": 5,
        "head": 8,
        "height": 8,
        "width": 4,
        "values": 4,
        "conditioning": 5,
        "factor": 2,
    }
    model = untrained("cifar10-multi-scale", seed=4, **size)
    whole, small = draw(model, ImageRequest(seed=3, sample=1))
    for done in (1, 3):
        image, again = draw(
            model, ImageRequest(seed=3, sample=1, known_small=small[:, :done])
        )
        np.testing.assert_array_equal(again, small)
        np.testing.assert_array_equal(image, whole)
    changed = (small[:, :2] + 1) % 4
    _, taken = draw(model, ImageRequest(seed=3, sample=1, known_small=changed))
    np.testing.assert_array_equal(taken[:, :2], changed)


def draw(model: Model, request: ImageRequest) -> tuple[np.ndarray, np.ndarray]:
    """The image and its small one."""
    engine = Engine(model, slots=1)
    engine.admit(request)
    rows = []
    while engine.busy:
        rows += engine.step()
    images = [
        np.stack([row.values for row in rows if row.of_small is small], 1)
        for small in (False, True)
    ]
    return images[0], images[1]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("preset", [*PRESETS, "cifar10-multi-scale"])
def test_engine_takes_the_bytes_it_says(preset: str) -> None:
    """Slot by slot: all arrays of an engine are looked at, a large and a tiny one."""
    model = untrained(preset, layers=2, hidden=8, head=4, height=8, width=8)
    assert array_bytes(Engine(model, 7)) - array_bytes(
        Engine(model, 1)
    ) == 6 * slot_bytes(model)
    assert slot_bytes(model) > model.config.dimensions * 8
