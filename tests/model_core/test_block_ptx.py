"""The programs for GPUs, without a GPU: every instruction is exact, and run one by one
they give the bits of the CPU."""

from functools import cache

import numpy as np
import pytest
import torch

from model_core.blocks import record as r
from model_core.blocks.program import KINDS, order_on_cpu
from model_core.blocks.ptx import check, compile_ptx, inexact
from model_core.sampling.blocks.layout import BlockLayout, BlockState
from model_core.sampling.stage import Drawing
from tests.model_core.blocks import bits, noise_of, take_step
from tests.model_core.ptx_interpreter import (
    Memory,
    Program,
    bits_of,
    float_of,
    fused_multiply_add,
)
from tests.model_core.test_blocks import network_of

PRESETS = {
    "pixel-cnn": "mnist-pixelcnn",
    "row-lstm": "mnist-row-lstm",
    "diagonal-bilstm": "mnist-diagonal-bilstm",
}
TINY = {"height": 2, "width": 3, "layers": 2, "hidden": 4, "head": 5, "values": 3}
THREADS = 7
"""Divides the length of hardly any loop."""

ptx_of = cache(compile_ptx)


def blocks_of(layout: BlockLayout, count: int) -> tuple[list[BlockState], BlockState]:
    """Return blocks, and the arrays in which they lie one behind the other."""
    single = [layout.new_block() for _ in range(count)]
    together = BlockState(
        np.concatenate([block.state for block in single]),
        np.concatenate([block.image for block in single]),
    )
    blocks = [
        BlockState(state, image)
        for state, image in zip(
            np.split(together.state, count),
            np.split(together.image, count),
            strict=True,
        )
    ]
    return blocks, together


@pytest.mark.parametrize("kind", KINDS)
def test_every_instruction_of_a_program_is_exact(kind: str) -> None:
    """No contraction, approximation or flush of the smallest numbers; no calls, and no
    memory but what it is given."""
    check(ptx_of(kind))


@pytest.mark.parametrize(
    "instruction",
    [
        "add.f32 %r1, %r2, %r3",
        "add.rn.ftz.f32 %r1, %r2, %r3",
        "mad.rn.f32 %r1, %r2, %r3, %r4",
        "ex2.approx.f32 %r1, %r2",
        "div.full.f32 %r1, %r2, %r3",
        "max.f32 %r1, %r2, %r3",
        "call.uni _Z4expff, (%r1)",
    ],
)
def test_program_is_refused_for_an_instruction_that_is_not_exact(
    instruction: str,
) -> None:
    """Also for one whose result depends on how a GPU does it, such as max of NaN."""
    ptx = ptx_of("pixel-cnn").replace("\tret;", f"\t{instruction};\n\tret;")
    assert inexact(ptx) == [instruction.split()[0]]
    with pytest.raises(ValueError, match="not exactly rounded"):
        check(ptx)


def test_program_is_refused_for_variables_of_its_own() -> None:
    """A stack or shared memory would be state that no test here sees."""
    ptx = ptx_of("pixel-cnn").replace(
        "\tret;", "\t.local .align 8 .b8 depot[8];\n\tret;"
    )
    with pytest.raises(ValueError, match="without variables"):
        check(ptx)


@pytest.mark.parametrize("kind", KINDS)
def test_program_is_the_same_whenever_it_is_compiled(kind: str) -> None:
    """Nothing of a process, such as an address, is in it."""
    assert "0x7" not in ptx_of(kind)
    assert "numba" not in ptx_of(kind).lower()


@pytest.mark.parametrize("kind", KINDS)
def test_program_run_instruction_by_instruction_gives_the_bits_of_the_cpu(
    kind: str,
) -> None:
    """Two blocks, one with its threads in reverse, one with given and weighed pixels:
    all of their memory is the same afterwards, scratch too."""
    network = network_of(PRESETS[kind], **TINY)
    layout = BlockLayout(network)
    known = torch.randint(0, 3, (3, 2, 3), generator=torch.Generator().manual_seed(2))
    keep = torch.tensor([[True, True, False], [False, True, False]])
    weighed = torch.tensor([[False, True, False], [False, True, False]])
    drawings = [
        Drawing(noise_of(network, 1), 0.8),
        Drawing(noise_of(network, 2), 1.0, known, keep, weighed=weighed),
    ]
    (ours, _), (theirs, arrays) = blocks_of(layout, 2), blocks_of(layout, 2)
    for blocks in (ours, theirs):
        for block, drawing in zip(blocks, drawings, strict=True):
            layout.open(block, drawing)

    for block in ours:
        while take_step(layout, block, order_on_cpu(THREADS, 3)):
            pass
    memory = Memory(layout.record, layout.weights, arrays.state, arrays.image)
    addresses = [
        layout.record.ctypes.data,
        layout.weights.ctypes.data,
        arrays.state.ctypes.data,
        arrays.image.ctypes.data,
    ]
    program = Program(ptx_of(kind), memory, [*addresses, 1 << 20])
    program.run(THREADS, block=0)
    program.run(THREADS, block=1, order=range(THREADS - 1, -1, -1))

    assert program.executed > 100_000
    for block, expected in zip(theirs, ours, strict=True):
        np.testing.assert_array_equal(block.image, expected.image)
        np.testing.assert_array_equal(bits(block.state), bits(expected.state))
        assert layout.view(block, r.FIRST_ROW)[0] == 2
    assert np.count_nonzero(layout.view(theirs[1], r.LOG_P)) == 2


def test_fused_multiply_add_rounds_once() -> None:
    """Where a rounded product would lose what the sum keeps, and where two roundings of
    the sum would go the wrong way."""
    x = float_of(bits_of(1 + 2**-12))
    assert bits_of(fused_multiply_add(x, x, -(1 + 2**-11))) == bits_of(2**-24)
    halfway = 1 + 2**-24  # between two float32; the product decides
    assert bits_of(halfway) == bits_of(1.0)
    y = float_of(bits_of(2**-24 * (1 + 2**-23)))
    assert bits_of(fused_multiply_add(y, 1.0, 1.0)) == bits_of(1 + 2**-23)
    tiny = 2**-80
    assert bits_of(fused_multiply_add(tiny, tiny, halfway)) == bits_of(1 + 2**-23)
