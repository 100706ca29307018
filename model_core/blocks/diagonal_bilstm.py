"""The Diagonal BiLSTM's layer: left to right pixel by pixel, right to left row by row.
It computes what compiled/diagonal_bilstm.py does.

ABOVE_W is (h + c, G), for the state above and the condition, and so is RIGHT_ABOVE_W;
SUMS is what the left-to-right gates read of them. A row begins when the row above is
complete, so a list has one pixel of an image.

The arguments of a phase are described in phases.py.
"""
# pyright: reportCallIssue=false

from numba import njit

from model_core.blocks.arithmetic import PHASE, ZERO, chain
from model_core.blocks.loop import PROGRAM, run
from model_core.blocks.lstm import continue_cell, lstm_unit, sum_input
from model_core.blocks.memory import load, load_int, quotient, store
from model_core.blocks.phases import each
from model_core.blocks.record import (
    ABOVE_B,
    ABOVE_CELL,
    ABOVE_W,
    BY_COLUMN,
    CELLS,
    CHANNELS,
    COLUMN,
    CONDITION,
    CONDITIONS,
    ENDED,
    FEATURES,
    GATE_SUMS,
    GATES,
    HIDDEN,
    LAYERS,
    LONGEST,
    MAPS,
    OF_LAYER,
    RIGHT_ABOVE_W,
    RIGHT_B,
    RIGHT_CELLS,
    RIGHT_GATES,
    RIGHT_MAPS,
    RING_CELL,
    ROW,
    STREAM_CELLS,
    STREAMS,
    SUMS,
    WIDTH,
    all_of,
    floats,
    image_at,
    listed,
    pixels,
    product_at,
    size,
    state_at,
    weights_at,
)
from model_core.blocks.shared import begin_streams, out_at, ring_at

LEFT_GATES_W, LEFT_BESIDE_W, RIGHT_GATES_W, RIGHT_BESIDE_W = range(
    OF_LAYER, OF_LAYER + 4
)
"""Products that are computed colour by colour, for each direction: from the input to
the gates, and from the neighbour's state to the gates."""

STREAM_PLACE = BY_COLUMN
"""The scan from the right reads the streams of a whole row."""


@njit(**PHASE)
def begin(thread, threads, block, layer, colour):
    """Do one thread's part of the phase (phases.py) that begins a step: sum what is
    read of the pixels before, for every layer and colour, into STREAMS, SKIPS and
    SUMS."""
    begin_streams(thread, threads, block)
    layers, gates = size(block, LAYERS), all_of(block, GATES)
    weights, bias = weights_at(block, ABOVE_W), weights_at(block, ABOVE_B)
    count = pixels(block)
    item = thread
    while item < layers * count * gates:
        row = quotient(item, gates)
        gate = item - row * gates
        i = quotient(row, count)
        pixel = row - i * count
        hidden = ring_at(block, MAPS, i, listed(block, pixel, ABOVE_CELL) + 1)
        y, x = listed(block, pixel, ROW), listed(block, pixel, COLUMN)
        total = _sum_above(block, i, gate, y, x, hidden, weights, bias)
        place = (i * size(block, LONGEST) + pixel) * gates + gate
        store(state_at(block, SUMS), place, total)
        item += threads


@njit(**PHASE)
def _sum_above(block, i, gate, y, x, hidden, weights, bias):
    """Return the bias and what a gate of layer i reads of the state above and of the
    condition, added.

    hidden: address of that state.
    weights, bias: addresses of those of all layers.
    """
    gates, h, c = all_of(block, GATES), all_of(block, HIDDEN), size(block, CONDITION)
    own = floats(weights, i * (h + c) * gates + gate)
    start = load(bias, i * gates + gate) + ZERO
    total = chain(start, hidden, own, h, gates)
    if c:
        place = (y * size(block, WIDTH) + x) * c
        condition = floats(state_at(block, CONDITIONS), place)
        total = chain(ZERO + total, condition, floats(own, h * gates), c, gates)
    return total


@njit(**PHASE)
def sum_gates(thread, threads, block, layer, colour):
    """Do one thread's part of a phase (phases.py): add to the left-to-right gates of
    one colour what they read at the pixel, and the whole hidden state of the left
    neighbour."""
    sum_input(thread, threads, block, layer, colour, LEFT_GATES_W)
    # Each thread goes on with the sums that it has just stored itself.
    gates, first = all_of(block, GATES), size(block, GATES + colour)
    outputs, h = size(block, GATES + colour + 1) - first, all_of(block, HIDDEN)
    weights = product_at(block, LEFT_BESIDE_W, layer, colour)
    sums = state_at(block, GATE_SUMS)
    item = thread
    while item < pixels(block) * outputs:
        pixel = quotient(item, outputs)
        output = item - pixel * outputs
        place = pixel * gates + first + output
        left = ring_at(block, MAPS, layer, listed(block, pixel, RING_CELL) - 1)
        start = ZERO + load(sums, place)
        store(sums, place, chain(start, left, floats(weights, output), h, outputs))
        item += threads


@njit(**PHASE)
def continue_cells(thread, threads, block, layer, colour):
    """Do one thread's part of a phase (phases.py): compute one colour of the cell
    states from those of the left neighbours, into CELLS, and of the hidden states, into
    MAPS; and add both directions into OUT."""
    first = size(block, HIDDEN + colour)
    units = size(block, HIDDEN + colour + 1) - first
    item = thread
    while item < pixels(block) * units:
        pixel = quotient(item, units)
        unit = item - pixel * units
        own = listed(block, pixel, RING_CELL)
        before = ring_at(block, CELLS, layer, own - 1)
        cell = ring_at(block, CELLS, layer, own)
        hidden = continue_cell(block, pixel, colour, unit, units, before, cell)
        store(ring_at(block, MAPS, layer, own), first + unit, hidden)
        y, x = listed(block, pixel, ROW), listed(block, pixel, COLUMN)
        from_right = ZERO  # above the first row there is no map from the right
        if y > 0:
            from_right = load(
                _right_at(block, RIGHT_MAPS, layer, y - 1, x), first + unit
            )
        store(out_at(block, layer, pixel), first + unit, hidden + from_right)
        item += threads


@njit(**PHASE)
def _right_at(block, array, layer, y, x):
    """Return the address of column x of row y of a layer's right-to-left map.

    Two rows of W + 1 columns are kept: the last column is the learned state outside the
    image.
    """
    row = layer * 2 + y - quotient(y, 2) * 2
    cell = row * (size(block, WIDTH) + 1) + x
    return floats(state_at(block, array), cell * all_of(block, HIDDEN))


@njit(**PHASE)
def _right_cell_at(block, layer, x):
    """Return the address of column x of a layer's right-to-left cell states."""
    cell = layer * (size(block, WIDTH) + 1) + x
    return floats(state_at(block, RIGHT_CELLS), cell * all_of(block, HIDDEN))


@njit(inline="always")
def compute_layer(order, block, layer, colour):
    """Compute one colour of a layer at the pixels of the list, into OUT.

    order: see phases.py.
    """
    each(order, sum_gates, block, layer, colour)
    each(order, continue_cells, block, layer, colour)


@njit(**PHASE)
def sum_right_gates(thread, threads, block, layer, colour):
    """Do one thread's part of a phase (phases.py): sum what the right-to-left gates of
    the row that has ended read of the row above, of the condition and of the input, for
    all layers, columns and colours."""
    W, gates = size(block, WIDTH), all_of(block, GATES)
    weights, bias = weights_at(block, RIGHT_ABOVE_W), weights_at(block, RIGHT_B)
    y = load_int(image_at(block, ENDED), 0)
    item = thread
    while item < size(block, LAYERS) * W * gates:
        row = quotient(item, gates)
        gate = item - row * gates
        i = quotient(row, W)
        x = row - i * W
        above = _right_at(block, RIGHT_MAPS, i, y + 1, x)  # of the other parity
        total = _sum_above(block, i, gate, y, x, above, weights, bias)
        cell = i * size(block, STREAM_CELLS) + x
        stream = floats(state_at(block, STREAMS), cell * all_of(block, FEATURES))
        c = _colour_of_gate(block, gate)
        output = gate - size(block, GATES + c)
        outputs = size(block, GATES + c + 1) - size(block, GATES + c)
        own = floats(product_at(block, RIGHT_GATES_W, i, c), output)
        known = size(block, FEATURES + c + 1)
        total = chain(ZERO + total, stream, own, known, outputs)
        store(state_at(block, RIGHT_GATES), item, total)
        item += threads


@njit(**PHASE)
def _colour_of_gate(block, gate):
    """Return the index of the colour to which a gate belongs."""
    c = 0
    while c < size(block, CHANNELS) - 1 and gate >= size(block, GATES + c + 1):
        c += 1
    return c


@njit(**PHASE)
def read_right_neighbours(thread, threads, block, x, colour):
    """Do one thread's part of a phase (phases.py): add what the gates of column x of
    the row that has ended read of the states to their right, for all layers. x takes
    the place of the phase's layer."""
    W, gates, h = size(block, WIDTH), all_of(block, GATES), all_of(block, HIDDEN)
    y = load_int(image_at(block, ENDED), 0)
    item = thread
    while item < size(block, LAYERS) * gates:
        i = quotient(item, gates)
        gate = item - i * gates
        c = _colour_of_gate(block, gate)
        output = gate - size(block, GATES + c)
        outputs = size(block, GATES + c + 1) - size(block, GATES + c)
        own = floats(product_at(block, RIGHT_BESIDE_W, i, c), output)
        neighbour = _right_at(block, RIGHT_MAPS, i, y, x + 1)
        place = (i * W + x) * gates + gate
        start = ZERO + load(state_at(block, RIGHT_GATES), place)
        total = chain(start, neighbour, own, h, outputs)
        store(state_at(block, RIGHT_GATES), place, total)
        item += threads


@njit(**PHASE)
def continue_right_cells(thread, threads, block, x, colour):
    """Do one thread's part of a phase (phases.py): compute the cell states of column x
    from those of column x + 1, into RIGHT_CELLS, and the hidden states, into
    RIGHT_MAPS, for all layers and colours. x takes the place of the phase's layer."""
    W, h = size(block, WIDTH), all_of(block, HIDDEN)
    y = load_int(image_at(block, ENDED), 0)
    item = thread
    while item < size(block, LAYERS) * h:
        i = quotient(item, h)
        feature = item - i * h
        c = 0
        while c < size(block, CHANNELS) - 1 and feature >= size(block, HIDDEN + c + 1):
            c += 1
        unit = feature - size(block, HIDDEN + c)
        units = size(block, HIDDEN + c + 1) - size(block, HIDDEN + c)
        row = (i * W + x) * all_of(block, GATES) + size(block, GATES + c)
        gates = floats(state_at(block, RIGHT_GATES), row + unit)
        before = _right_cell_at(block, i, x + 1)
        cell = _right_cell_at(block, i, x)
        hidden = lstm_unit(gates, units, feature, before, cell)
        store(_right_at(block, RIGHT_MAPS, i, y, x), feature, hidden)
        item += threads


@njit(inline="always")
def end_row(order, block):
    """Scan the row that has ended from right to left, for the rows below.

    order: see phases.py.
    """
    each(order, sum_right_gates, block, 0, 0)
    x = size(block, WIDTH) - 1
    while x >= 0:
        each(order, read_right_neighbours, block, x, 0)
        each(order, continue_right_cells, block, x, 0)
        x -= 1


@njit(**PROGRAM)
def draw(first, turns, step, threads, record, weights, state, image, steps):
    """The program (blocks/loop.py): draw what may be drawn within `steps` steps. The
    block's state and image are changed."""
    order = (first, turns, step, threads)
    block = (record, weights, state, image)
    run(begin, compute_layer, end_row, order, block, steps)
