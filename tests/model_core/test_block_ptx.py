"""The programs for GPUs, without a GPU: every instruction is exact, and run one by one
they give the bits of the CPU."""

from functools import cache

import numpy as np
import pytest
import torch

from model_core.blocks import record as r
from model_core.blocks.program import KINDS, order_on_cpu
from model_core.blocks.ptx import check, compile_ptx, first_line, inexact, load_ptx
from model_core.compiled.range_coder import PLACE
from model_core.sampling.blocks.gpu_check import check_drawings
from model_core.sampling.blocks.layout import BlockLayout, BlockState
from model_core.sampling.stage import Drawing
from tests.model_core.blocks import bits, network_of, noise_of, take_step
from tests.model_core.ptx_interpreter import (
    Memory,
    Program,
    bits_of,
    float_of,
    fused_multiply_add,
)

PRESETS = {
    "pixel-cnn": "mnist-pixelcnn",
    "row-lstm": "mnist-row-lstm",
    "diagonal-bilstm": "mnist-diagonal-bilstm",
}
TINY = {"height": 2, "width": 3, "layers": 2, "hidden": 4, "head": 5, "values": 3}
THREADS = 7
"""Divides the length of hardly any loop."""

ptx_of = cache(load_ptx)


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
def test_programs_of_the_package_are_of_these_sources(kind: str) -> None:
    """If not: `python -m model_core.blocks.ptx`."""
    digest = first_line().split(",")[0]
    assert ptx_of(kind).splitlines()[0].split(",")[0] == digest


@pytest.mark.weekly
@pytest.mark.parametrize("kind", KINDS)
def test_programs_of_the_package_are_what_the_sources_compile_to(kind: str) -> None:
    """Byte for byte, with the same llvmlite: nothing of a process, such as an address,
    is in them."""
    if ptx_of(kind).splitlines()[0] != first_line().strip():
        pytest.skip("the programs were compiled by another version of llvmlite")
    assert compile_ptx(kind) == ptx_of(kind)


class TinyBlocks:
    """Two blocks of a tiny network: one draws an image, the other one keeps and weighs
    given pixels too. If they are coded, the first decodes its image, and the second
    encodes one."""

    def __init__(self, kind: str, coded: bool = False, **size: int) -> None:
        self.network = network_of(PRESETS[kind], **{**TINY, **size})
        H, W = self.network.config.height, self.network.config.width
        self.layout = BlockLayout(self.network)
        self.blocks, self.arrays = blocks_of(self.layout, 2)
        generator = torch.Generator().manual_seed(2)
        known = torch.randint(0, 3, (3, H, W), generator=generator)
        keep, weighed = torch.zeros(2, H, W, dtype=torch.bool)
        keep[0, :2] = keep[1, 1] = True
        weighed[:, 1] = True
        drawings = [
            Drawing(noise_of(self.network, 1), 0.8),
            Drawing(noise_of(self.network, 2), 1.0, known, keep, weighed=weighed),
        ]
        if coded:
            *_, encoded, decoded = check_drawings(self.network)
            drawings = [decoded, encoded]
        for block, drawing in zip(self.blocks, drawings, strict=True):
            self.layout.open(block, drawing)

    def program(self, ptx: str) -> Program:
        """Return a program that works on these blocks."""
        arrays = (
            self.layout.record,
            self.layout.weights,
            self.arrays.state,
            self.arrays.image,
        )
        addresses = [array.ctypes.data for array in arrays]
        return Program(ptx, Memory(*arrays), [*addresses, 1 << 20])

    def same_as(self, other: "TinyBlocks") -> bool:
        """Return whether all memory has the same bits."""
        images = np.array_equal(self.arrays.image, other.arrays.image)
        states = np.array_equal(bits(self.arrays.state), bits(other.arrays.state))
        return images and states


def drawn_by_the_cpu(kind: str, coded: bool = False, **size: int) -> TinyBlocks:
    tiny = TinyBlocks(kind, coded, **size)
    for block in tiny.blocks:
        while take_step(tiny.layout, block, order_on_cpu(THREADS, 3)):
            pass
    return tiny


REVERSED = range(THREADS - 1, -1, -1)


@pytest.mark.parametrize("kind", KINDS)
def test_program_run_instruction_by_instruction_gives_the_bits_of_the_cpu(
    kind: str,
) -> None:
    """All memory of two blocks is the same afterwards, scratch too. The second has its
    threads in reverse."""
    expected, found = drawn_by_the_cpu(kind), TinyBlocks(kind)
    program = found.program(ptx_of(kind))
    program.run(THREADS, block=0)
    program.run(THREADS, block=1, order=REVERSED)
    assert program.executed > 100_000
    assert found.same_as(expected)
    for block in found.blocks:
        assert found.layout.view(block, r.FIRST_ROW)[0] == 2
    assert np.count_nonzero(found.layout.view(found.blocks[1], r.LOG_P)) == 2


def test_program_run_so_codes_images_as_the_cpu_does() -> None:
    """The range coder's registers and bytes are among the memory that is compared. It is
    the same for every kind."""
    expected = drawn_by_the_cpu("pixel-cnn", coded=True)
    found = TinyBlocks("pixel-cnn", coded=True)
    program = found.program(ptx_of("pixel-cnn"))
    for block in range(2):
        program.run(THREADS, block)
        coder = found.layout.view(found.blocks[block], r.CODER)
        assert coder[PLACE] > 0
    assert found.same_as(expected)


TWO_ROWS = {"width": 6, "hidden": 8, "head": 8}
"""Wide enough that two rows are drawn at once."""

HARMLESS = {"pixel-cnn": 1, "row-lstm": 1, "diagonal-bilstm": 0}
"""Barriers that could be left out: behind `move_on`, which one thread does, the same
thread lists the next pixels, unless a row is scanned from the right before."""


@pytest.mark.weekly
@pytest.mark.parametrize("kind", KINDS)
def test_every_barrier_is_needed(kind: str) -> None:
    """Without it, threads that run up to the next one, from the first to the last or in
    reverse, read what is not written yet or is written too early."""
    expected = drawn_by_the_cpu(kind, **TWO_ROWS)
    barriers = TinyBlocks(kind, **TWO_ROWS).program(ptx_of(kind)).barriers
    unseen = [place for place in barriers if not _is_seen(kind, place, expected)]
    assert len(barriers) >= 13
    assert len(unseen) == HARMLESS[kind]


def _is_seen(kind: str, place: int, expected: TinyBlocks) -> bool:
    """Return whether memory differs once the barrier at this place is removed."""
    for order in (range(THREADS), REVERSED):
        found = TinyBlocks(kind, **TWO_ROWS)
        program = found.program(ptx_of(kind))
        program.remove_barrier(place)
        try:
            for block in range(2):
                program.run(THREADS, block, order)
        except (AssertionError, IndexError):
            return True
        if not found.same_as(expected):
            return True
    return False


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
