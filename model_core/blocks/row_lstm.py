"""The Row LSTM's layer. It computes what compiled/row_lstm.py does.

ABOVE_W is (3 h, G), for the three states above; BESIDE_W is (c + F, G), for the
condition and the left neighbour's input; SUMS is what the gates read before the pixel.
The arguments of a phase are described in phases.py.
"""
# pyright: reportCallIssue=false

from numba import njit

from model_core.blocks.arithmetic import PHASE
from model_core.blocks.loop import PROGRAM, run
from model_core.blocks.lstm import continue_cell, sum_input
from model_core.blocks.memory import quotient, store
from model_core.blocks.phases import each
from model_core.blocks.record import (
    ABOVE_CELL,
    CELLS,
    GATES,
    HIDDEN,
    IN_RING,
    MAPS,
    OF_LAYER,
    RING_CELL,
    STREAMS,
    listed,
    pixels,
    size,
)
from model_core.blocks.shared import begin_streams, out_at, ring_at, sum_before

INPUT_TO_GATES_W = OF_LAYER
"""A product that is computed colour by colour: from the pixel's input to the gates."""

STREAM_PLACE = IN_RING
"""A layer also reads the stream of the left neighbour."""


@njit(**PHASE)
def begin(thread, threads, block, layer, colour):
    """Do one thread's part of the phase (phases.py) that begins a step: sum what is
    read of the pixels before, for every layer and colour, into STREAMS, SKIPS and
    SUMS."""
    begin_streams(thread, threads, block)
    sum_before(thread, threads, block, GATES, STREAMS)


@njit(**PHASE)
def sum_gates(thread, threads, block, layer, colour):
    """Do one thread's part of a phase (phases.py): complete the gates of one colour
    with what they read at the pixel, into GATE_SUMS."""
    sum_input(thread, threads, block, layer, colour, INPUT_TO_GATES_W)


@njit(**PHASE)
def continue_cells(thread, threads, block, layer, colour):
    """Do one thread's part of a phase (phases.py): compute one colour of the cells from
    those of the row above, into CELLS, and of the hidden states, into MAPS and OUT."""
    first = size(block, HIDDEN + colour)
    units = size(block, HIDDEN + colour + 1) - first
    item = thread
    while item < pixels(block) * units:
        pixel = quotient(item, units)
        unit = item - pixel * units
        own = listed(block, pixel, RING_CELL)
        straight_up = listed(block, pixel, ABOVE_CELL) + 1
        before = ring_at(block, CELLS, layer, straight_up)
        cell = ring_at(block, CELLS, layer, own)
        hidden = continue_cell(block, pixel, colour, unit, units, before, cell)
        store(ring_at(block, MAPS, layer, own), first + unit, hidden)
        store(out_at(block, layer, pixel), first + unit, hidden)
        item += threads


@njit(inline="always")
def compute_layer(order, block, layer, colour):
    """Compute one colour of a layer at the pixels of the list, into OUT.

    order: see phases.py.
    """
    each(order, sum_gates, block, layer, colour)
    each(order, continue_cells, block, layer, colour)


@njit(inline="always")
def end_row(order, block):
    """Do nothing: the rows below read what is stored already."""


@njit(**PROGRAM)
def draw(first, turns, step, threads, record, weights, state, image, steps):
    """The program (blocks/loop.py): draw what may be drawn within `steps` steps. The
    block's state and image are changed."""
    order = (first, turns, step, threads)
    block = (record, weights, state, image)
    run(begin, compute_layer, end_row, order, block, steps)
