"""The program of a kind of network: step by step until nothing may go on.

A program is one function, run by every thread of a block:

    draw(first, turns, step, threads, record, weights, state, image, steps)

The first four numbers are the thread's order (phases.py), then come the addresses of
the record and the block's arrays (record.py); it stops after so many steps, so that the
caller can fetch rows meanwhile, or when no pixel may go on.

All threads take the same way through the program: what they branch on was written
before the last barrier.
"""
# pyright: reportCallIssue=false

from math import gcd
from typing import Any

from numba import njit, types

from model_core.blocks import diagonal_bilstm, pixel_cnn, row_lstm
from model_core.blocks.arithmetic import PHASE
from model_core.blocks.memory import load_int
from model_core.blocks.phases import each
from model_core.blocks.pixels import (
    check_finite,
    exponentiate,
    find_largest,
    list_pixels,
    move_on,
    settle,
)
from model_core.blocks.record import (
    CHANNELS,
    ENDED,
    LAYERS,
    image_at,
    pixels,
    size,
    wanted_pixels,
)
from model_core.blocks.shared import (
    first_of_head,
    go_on,
    logits_of_head,
    read_own_colours,
    rectify_top,
    second_of_head,
)

KINDS: dict[str, Any] = {
    "pixel-cnn": pixel_cnn,
    "row-lstm": row_lstm,
    "diagonal-bilstm": diagonal_bilstm,
}
"""The modules of the kinds of network that have a program, by the kinds' names.

A module has the functions `begin` (a phase), `compute_layer` and `end_row`, and says
with STREAM_PLACE where streams lie.
"""

CALLED_FROM_PYTHON: dict[str, Any] = PHASE | {"no_cpython_wrapper": False}
SIGNATURE = types.void(*[types.int64] * 9)


@njit(**PHASE)
def predict(order, block, colour):
    """Compute the logits of one colour, and what a draw needs of them."""
    each(order, rectify_top, block, 0, colour)
    each(order, first_of_head, block, 0, colour)
    each(order, second_of_head, block, 0, colour)
    each(order, logits_of_head, block, 0, colour)
    each(order, find_largest, block, 0, colour)
    each(order, exponentiate, block, 0, colour)
    each(order, check_finite, block, 0, colour)


def program_of(kind: str) -> Any:
    """Return the program of a kind of network, compiled for this CPU."""
    module = KINDS[kind]
    begin, compute_layer, end_row = module.begin, module.compute_layer, module.end_row

    @njit(**PHASE)
    def take_step(order, block):
        """Do the pixels of the list."""
        each(order, begin, block, 0, 0)
        colour = 0
        while colour < size(block, CHANNELS):
            each(order, read_own_colours, block, 0, colour)
            layer = 0
            while layer < size(block, LAYERS):
                compute_layer(order, block, layer, colour)
                each(order, go_on, block, layer, colour)
                layer += 1
            if wanted_pixels(block):
                predict(order, block, colour)
            each(order, settle, block, 0, colour)
            colour += 1
        each(order, move_on, block, 0, 0)
        if load_int(image_at(block, ENDED), 0) >= 0:
            end_row(order, block)

    @njit(SIGNATURE, **CALLED_FROM_PYTHON)
    def draw(first, turns, step, threads, record, weights, state, image, steps):
        order = (first, turns, step, threads)
        block = (record, weights, state, image)
        taken = 0
        while taken < steps:
            each(order, list_pixels, block, 0, 0)
            if not pixels(block):
                break
            take_step(order, block)
            taken += 1

    return draw


def order_on_cpu(threads: int, step: int = 1) -> tuple[int, int, int, int]:
    """Return the order in which a CPU takes the turns of so many threads.

    step: from one thread to the next, prime to their number. Raises ValueError if it
    is not.
    """
    if gcd(step, threads) != 1:
        raise ValueError(f"expected a step that is prime to {threads}, got {step}")
    return 0, threads, step % threads, threads
