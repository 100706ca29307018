"""Blocks draw from every shipped model what the compiled loops draw, bit for bit."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from model_core import load_model
from model_core.blocks.program import KINDS, order_on_cpu
from model_core.blocks.ptx import load_ptx
from model_core.models_directory import default_models_dir, model_names
from model_core.networks import MultiScaleNetwork, PixelNetwork
from model_core.sampling.blocks.layout import BlockLayout
from model_core.sampling.stage import Drawing
from tests.model_core.blocks import assert_same, bits, draw, noise_of, reference
from tests.model_core.ptx_interpreter import Memory, Program

pytestmark = pytest.mark.weekly

MODELS = model_names(default_models_dir())
ORDERS = [
    order_on_cpu(1),
    order_on_cpu(63, 32),
    order_on_cpu(128, 77),
    order_on_cpu(128, 127),
]
THREADS = 37


def drawings_of(name: str) -> Iterator[tuple[PixelNetwork, Drawing]]:
    """Yield every network of a model, its guides too, and what is drawn from it."""
    model = load_model(name)
    seen: set[int] = set()
    for member in (*model.members, *model.guides):
        network = member.network
        if id(network) in seen:
            continue
        seen.add(id(network))
        if isinstance(network, MultiScaleNetwork):
            yield network.small, _drawing(network.small)
            config = network.small.config
            shape = 1, config.channels, config.height, config.width
            small = torch.zeros(shape, dtype=torch.int64)
            label = None
            if network.config.labels:
                label = network.of_labels(torch.zeros(1, dtype=torch.int64))
            with torch.no_grad():
                condition = network.condition(small, label)[0].permute(1, 2, 0)
            noise = noise_of(network.large)
            yield network.large, Drawing(noise, 1.0, condition=condition.contiguous())
        else:
            assert isinstance(network, PixelNetwork)
            yield network, _drawing(network)


def _drawing(network: PixelNetwork) -> Drawing:
    label = network.config.labels - 1 if network.config.labels else None
    return Drawing(noise_of(network), 1.0, label=label)


@pytest.mark.parametrize("name", MODELS)
def test_blocks_draw_from_a_shipped_model_what_the_compiled_loops_draw(
    name: str,
) -> None:
    """Every network of it: an image, its logits and all maps, in four orders."""
    for network, drawing in drawings_of(name):
        expected = reference(network, drawing)
        for order in ORDERS:
            assert_same(draw(network, drawing, order), expected)


@pytest.mark.parametrize("name", MODELS)
def test_program_for_gpus_gives_the_first_pixels_of_a_shipped_model(name: str) -> None:
    """Two steps, instruction by instruction, and all memory after them."""
    for network, drawing in drawings_of(name):
        layout = BlockLayout(network)
        found, expected = layout.new_block(), layout.new_block()
        for block in (found, expected):
            layout.open(block, drawing)

        shared = layout.record.ctypes.data, layout.weights.ctypes.data
        memory = expected.state.ctypes.data, expected.image.ctypes.data
        KINDS[layout.kind].draw(*order_on_cpu(THREADS, 5), *shared, *memory, 2)

        arrays = Memory(layout.record, layout.weights, found.state, found.image)
        memory = found.state.ctypes.data, found.image.ctypes.data
        program = Program(load_ptx(layout.kind), arrays, [*shared, *memory, 2])
        program.run(THREADS)
        np.testing.assert_array_equal(found.image, expected.image)
        np.testing.assert_array_equal(bits(found.state), bits(expected.state))
