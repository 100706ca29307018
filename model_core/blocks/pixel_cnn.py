"""The PixelCNN's layer: ReLU, 1 x 1, ReLU, 3 x 3, ReLU. It computes what
compiled/pixel_cnn.py does.

ABOVE_W is (3 h, h), for the three cells above; BESIDE_W is (c + h, h), for the
condition and the cell to the left; SUMS is what the 3 x 3 convolution reads before the
pixel. The arguments of a phase are described in phases.py.
"""
# pyright: reportCallIssue=false

from numba import njit

from model_core.blocks.arithmetic import PHASE, ZERO, chain, rectified_chain, rectify
from model_core.blocks.loop import PROGRAM, run
from model_core.blocks.memory import load, quotient, store
from model_core.blocks.phases import each
from model_core.blocks.record import (
    DOWN_B,
    FEATURES,
    HIDDEN,
    IN_ORDER,
    LONGEST,
    MAPS,
    OF_LAYER,
    RING_CELL,
    SUMS,
    all_of,
    floats,
    listed,
    pixels,
    product_at,
    size,
    state_at,
    weights_at,
)
from model_core.blocks.shared import (
    begin_streams,
    out_at,
    ring_at,
    stream_at,
    sum_before,
)

DOWN_W, ACROSS_W = OF_LAYER, OF_LAYER + 1
"""Products that are computed colour by colour: the 1 x 1 convolution, and the 3 x 3 at
the pixel itself."""

STREAM_PLACE = IN_ORDER


@njit(**PHASE)
def begin(thread, threads, block, layer, colour):
    """Do one thread's part of the phase (phases.py) that begins a step: sum what is
    read of the pixels before, for every layer and colour, into STREAMS, SKIPS and
    SUMS."""
    begin_streams(thread, threads, block)
    sum_before(thread, threads, block, HIDDEN, MAPS)


@njit(**PHASE)
def go_down(thread, threads, block, layer, colour):
    """Do one thread's part of a phase (phases.py): compute one colour of the input of
    the 3 x 3 convolution at the step's pixels, into MAPS."""
    first = size(block, HIDDEN + colour)
    outputs = size(block, HIDDEN + colour + 1) - first
    known, hidden = size(block, FEATURES + colour + 1), all_of(block, HIDDEN)
    weights = product_at(block, DOWN_W, layer, colour)
    bias = floats(weights_at(block, DOWN_B), layer * hidden + first)
    item = thread
    while item < pixels(block) * outputs:
        pixel = quotient(item, outputs)
        output = item - pixel * outputs
        read = stream_at(block, layer, pixel)
        start = load(bias, output) + ZERO
        total = rectified_chain(start, read, floats(weights, output), known, outputs)
        own = ring_at(block, MAPS, layer, listed(block, pixel, RING_CELL))
        store(own, first + output, rectify(total))
        item += threads


@njit(**PHASE)
def spread(thread, threads, block, layer, colour):
    """Do one thread's part of a phase (phases.py): compute one colour of the 3 x 3
    convolution's output, into OUT."""
    first = size(block, HIDDEN + colour)
    outputs = size(block, HIDDEN + colour + 1) - first
    known, hidden = size(block, HIDDEN + colour + 1), all_of(block, HIDDEN)
    weights = product_at(block, ACROSS_W, layer, colour)
    sums = floats(state_at(block, SUMS), layer * size(block, LONGEST) * hidden)
    item = thread
    while item < pixels(block) * outputs:
        pixel = quotient(item, outputs)
        output = item - pixel * outputs
        own = ring_at(block, MAPS, layer, listed(block, pixel, RING_CELL))
        start = ZERO + load(sums, pixel * hidden + first + output)
        total = chain(start, own, floats(weights, output), known, outputs)
        store(out_at(block, layer, pixel), first + output, rectify(total))
        item += threads


@njit(inline="always")
def compute_layer(order, block, layer, colour):
    """Compute one colour of a layer at the pixels of the list, into OUT.

    order: of the thread (phases.py).
    """
    each(order, go_down, block, layer, colour)
    each(order, spread, block, layer, colour)


@njit(inline="always")
def end_row(order, block):
    """Do nothing: in this kind, no work is left at the end of a row."""


@njit(**PROGRAM)
def draw(first, turns, step, threads, record, weights, state, image, steps):
    """The program (blocks/loop.py): draw what may be drawn within `steps` steps. The
    block's state and image are changed."""
    order = (first, turns, step, threads)
    block = (record, weights, state, image)
    run(begin, compute_layer, end_row, order, block, steps)
