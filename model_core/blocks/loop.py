"""The loop of every program: step by step until no pixel may be drawn.

The module of a kind gives its layer to `run` as functions, and contains the program
itself:

    draw(first, turns, step, threads, record, weights, state, image, steps)

The first four numbers are the thread's order (phases.py); then come the addresses of
the record and of the block's arrays (record.py). It stops after `steps` steps, so that
the caller can fetch rows meanwhile, or when no pixel may be drawn.

All threads take the same path through the program: what they branch on was written
before the last barrier.
"""
# pyright: reportCallIssue=false

from typing import Any

from numba import njit, types

from model_core.blocks.arithmetic import PHASE
from model_core.blocks.memory import load_int
from model_core.blocks.phases import each
from model_core.blocks.pixels import (
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
from model_core.compiled import KEEP

PROGRAM: dict[str, Any] = PHASE | {"no_cpython_wrapper": False, "cache": KEEP}
"""Options of a program: Python calls it, and its compiled code is kept on disk."""

PARAMETERS = (types.int64,) * 9
"""Types of a program's parameters."""


@njit(inline="always")
def run(begin, compute_layer, end_row, order, block, steps):
    """Take up to `steps` steps, in each of which at most one pixel of every row that is
    being drawn is computed.

    begin: a phase that begins the streams and sums what is read of the pixels before,
        for all layers.
    compute_layer(order, block, layer, colour): computes one colour of a layer.
    end_row(order, block): does what waits until a row is complete.
    order: the order of the threads (phases.py).
    block: the addresses of the record, the weights, the state and the image; the last
        two are changed.
    """
    taken = 0
    while taken < steps:
        each(order, list_pixels, block, 0, 0)
        if not pixels(block):
            break
        each(order, begin, block, 0, 0)
        colour = 0
        while colour < size(block, CHANNELS):
            if colour > 0:
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
        taken += 1


@njit(inline="always")
def predict(order, block, colour):
    """Compute the logits of one colour at the pixels that need them, and what a draw
    needs of them: the largest, and the exponentials."""
    each(order, rectify_top, block, 0, colour)
    each(order, first_of_head, block, 0, colour)
    each(order, second_of_head, block, 0, colour)
    each(order, logits_of_head, block, 0, colour)
    each(order, find_largest, block, 0, colour)
    each(order, exponentiate, block, 0, colour)
