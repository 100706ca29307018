"""A block's program on the CPU, run step by step so that every logit can be seen."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model_core.blocks import record as r
from model_core.blocks.program import KINDS, order_on_cpu
from model_core.networks.pixel_network import PixelNetwork
from model_core.sampling.blocks.layout import BlockLayout, BlockState
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.noise import image_noise
from model_core.sampling.stage import Drawing
from tests.model_core.lively import lively

ORDERS = [order_on_cpu(32, 7), order_on_cpu(37, 64)]
"""Two numbers of threads, of which the second divides the length of no loop, each in an
order that mixes early and late outputs."""


@dataclass
class Drawn:
    """An image that a block has drawn, and everything by which it is compared."""

    values: NDArray[np.int64]
    """(C, H, W)"""
    log_p: NDArray[np.float64]
    """(H,)"""
    logits: NDArray[np.float32]
    """(V, C, H, W); NaN where none were needed."""
    kept: list[NDArray[np.float32]]
    """(L, cells, h) maps that pixels to come would read."""


def draw(
    network: PixelNetwork, drawing: Drawing, order: tuple[int, int, int, int]
) -> Drawn:
    """Draw an image by a block whose threads take their turns in this order."""
    layout, config = BlockLayout(network), network.config
    block = layout.new_block()
    layout.open(block, drawing)
    shape = config.values, config.channels, config.height, config.width
    logits = np.full(shape, np.nan, np.float32)
    while take_step(layout, block, order):
        _note_logits(layout, block, logits)
    assert layout.view(block, r.FAILED) == 0
    return Drawn(
        layout.view(block, r.IMAGE).copy(),
        layout.view(block, r.LOG_P).copy(),
        logits,
        kept_maps(layout, block),
    )


def take_step(
    layout: BlockLayout, block: BlockState, order: tuple[int, int, int, int]
) -> bool:
    """Take one step of the program; return whether there was a pixel to do."""
    addresses = (
        layout.record.ctypes.data,
        layout.weights.ctypes.data,
        block.state.ctypes.data,
        block.image.ctypes.data,
    )
    KINDS[layout.kind].draw(*order, *addresses, 1)
    return bool(layout.view(block, r.COUNT) > 0)


def _note_logits(
    layout: BlockLayout, block: BlockState, logits: NDArray[np.float32]
) -> None:
    V, C = logits.shape[:2]
    for order in range(int(layout.view(block, r.WANTED_COUNT)[0])):
        entry = layout.view(block, r.LIST)[layout.view(block, r.WANTED)[order]]
        found = layout.view(block, r.LOGITS)[order].reshape(C, V)
        logits[:, :, entry[r.ROW], entry[r.COLUMN]] = found.T


def kept_maps(layout: BlockLayout, block: BlockState) -> list[NDArray[np.float32]]:
    """Return the maps that CompiledStage.kept returns, without its padding."""
    fields = {
        "pixel-cnn": [r.MAPS],
        "row-lstm": [r.MAPS, r.CELLS],
        "diagonal-bilstm": [r.MAPS, r.CELLS, r.RIGHT_MAPS],
    }
    return [layout.view(block, field).copy() for field in fields[layout.kind]]


def reference(network: PixelNetwork, drawing: Drawing) -> Drawn:
    """Draw the same image by the compiled loops, beside another one."""
    stage = CompiledStage(network, 2)
    stage.open(1, drawing)
    while stage._active:
        if not stage.step():
            break
        if drawing.end is not None and stage._front.first_row[1] >= drawing.end:
            break
    values = stage.image(1).numpy().copy()
    logits = np.empty(0, np.float32)
    if drawing.condition is None:
        logits = CompiledStage.logits(network, values[None], drawing.label)[0]
    h = network.config.hidden
    kept = [kept[:, :, :h] for kept in stage.kept(1)]
    return Drawn(values, stage.log_p(1), logits, kept)


def bits(array: NDArray[Any]) -> NDArray[Any]:
    """Return the bits of floats: 0.0 and -0.0 differ, and NaN equals itself."""
    return array.view(np.uint32 if array.dtype == np.float32 else np.uint64)


def assert_same(found: Drawn, expected: Drawn) -> None:
    """Compare every bit, of logits those that were needed."""
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(bits(found.log_p), bits(expected.log_p))
    for ours, theirs in zip(found.kept, expected.kept, strict=True):
        np.testing.assert_array_equal(bits(ours), bits(np.ascontiguousarray(theirs)))
    if expected.logits.size:
        needed = ~np.isnan(found.logits)
        assert needed.any()
        ours, theirs = found.logits[needed], expected.logits[needed]
        np.testing.assert_array_equal(bits(ours), bits(theirs))


def network_of(preset: str, **changes: int | str) -> PixelNetwork:
    """Return a network in float32 whose sizes no number of threads divides."""
    sizes = {
        "layers": 3,
        "hidden": 19,
        "head": 21,
        "height": 6,
        "width": 9,
        "values": 5,
    }
    network = lively(preset, torch.float32, **{**sizes, **changes}).network
    assert isinstance(network, PixelNetwork)
    return network


def noise_of(network: PixelNetwork, seed: int = 1) -> torch.Tensor:
    """Return the noise of an image of the network's size."""
    config = network.config
    noise = image_noise(seed, 0, config.height, config.width, config.channels)
    return torch.from_numpy(noise)
