"""The Diagonal BiLSTM's layer (section 3.2) on a work list: left to right pixel by pixel, right to left row by row.

What the row above says is known before a row begins, so it is summed for many columns and all layers at once.
"""
# pyright: reportCallIssue=false

from typing import NamedTuple

import numpy as np
from numba import njit

from model_core.compiled import ENTRY
from model_core.compiled.loop import (
    BY_COLUMN,
    begin_given,
    draw_rows,
    no_clock,
    nothing_ahead,
    weigh_given,
)
from model_core.compiled.products import (
    address,
    columns,
    from_pixel,
    multiply,
    spot,
    vector_of,
)
from model_core.compiled.records import OF_LAYER, Floats2, Floats3, Floats4, Integers2
from model_core.compiled.recurrence import add_input, add_state, continue_cells
from model_core.compiled.shared import of_colour, to_skips, to_stream
from model_core.compiled.tiles import add

LEFT_GATES, LEFT_BESIDE, RIGHT_GATES, RIGHT_BESIDE = range(OF_LAYER, OF_LAYER + 4)
"""Products of one colour: of both directions, from the input and from the state of the neighbour to the gates."""

STREAMS = BY_COLUMN
"""The right-to-left scan reads the whole row, and images drawn side by side, which are often at the same column, lie so
in memory as well."""


COLUMNS = 32
"""Columns that are summed at once: the sums of a whole row would leave the cache where it is as wide as a field's."""


class Layers(NamedTuple):
    """Weights and state of all layers; shapes as in records.py."""

    ring_rows: int
    hidden: Floats3
    """(L, S * R * (W + 2), h) left to right."""
    cell: Floats3
    """(L, S * R * (W + 2), h) left to right."""
    above: Floats3
    """(L, min(W, COLUMNS) * S, G) what the left-to-right gates see of the states above and of the condition."""
    gates: Floats3
    """(L, M, G)"""
    out: Floats3
    """(L, M, h) both directions."""
    right: Floats3
    """(L, S * 2 * (W + 1) + 1, h) the right-to-left map of the last two rows of each slot, by parity. The cell at W is
    the learned initial state, and the very last cell is zero."""
    right_cell: Floats3
    """(L, S * (W + 1), h) used within a row only, as is the next."""
    right_gates: Floats2
    """(S * W, G)"""
    lists: Integers2
    """(8, ...) cells of whole rows, their order, and where the pixels of one step find `right` and `above`."""
    left_above_w: Floats4
    """(L, vectors, inputs, 16) for the state above, then the condition; so for right_above_w."""
    left_b: Floats2
    right_above_w: Floats4
    right_b: Floats2


@njit(inline="always")
def _sum_above(i, count, hidden, condition, gates, weights, bias, shared, state):
    """gates = bias + what they see of the states above, at the spot `hidden`, and of the condition, all colours."""
    h, c, vectors = shared.hidden[-1], state.conditions.shape[1], weights.shape[1]
    zeros = address(shared.zeros)
    start = zeros, np.int64(0), gates[2]
    multiply(
        count,
        hidden,
        1,
        h,
        columns(weights, i, 0, 0),
        vectors,
        vector_of(bias, i),
        start,
        gates,
        0,
    )
    if c:
        multiply(
            count,
            condition,
            1,
            c,
            columns(weights, i, 0, h),
            vectors,
            zeros,
            gates,
            gates,
            0,
        )


@njit(inline="always")
def _look_up(real, work, shared, state, layers):
    """Sum what the row above says to the next COLUMNS of the rows that are at the first of them, in all layers."""
    H, W, scratch = shared.height, shared.width, len(state.temperature) - 1
    up, condition, here = layers.lists[0], layers.lists[1], layers.lists[2]
    count = 0
    for m in range(real):
        slot, y, first = work[m, 0], work[m, 1], work[m, 2]
        if first % COLUMNS == 0:
            for x in range(first, min(W, first + COLUMNS)):
                up[count] = (
                    (slot * layers.ring_rows + (y - 1) % layers.ring_rows) * (W + 2)
                    + x
                    + 1
                )
                condition[count], here[count] = (
                    (slot * H + y) * W + x,
                    x % COLUMNS * (scratch + 1) + slot,
                )
                count += 1
    while count > 1 and count % 4:
        up[count], condition[count], here[count] = (
            scratch * layers.ring_rows * (W + 2),
            scratch * H * W,
            scratch,
        )
        count += 1
    if count:
        conditions = spot(state.conditions, 0, condition, 0, 0)
        for i in range(shared.layers):
            hidden, gates = (
                spot(layers.hidden, i, up, 0, 0),
                spot(layers.above, i, here, 0, 0),
            )
            _sum_above(
                i,
                count,
                hidden,
                conditions,
                gates,
                layers.left_above_w,
                layers.left_b,
                shared,
                state,
            )


@njit(inline="always")
def _find(count, work, slots, shared, layers):
    """Fill lists[6] with each pixel's cell in the right-to-left map of the row above, where pixels of the first row get
    the cell of zeros, and lists[7] with its cell in `above`."""
    nothing = layers.right.shape[1] - 1
    for m in range(count):
        slot, y, x = work[m, 0], work[m, 1], work[m, 2]
        layers.lists[7, m] = x % COLUMNS * slots + slot
        layers.lists[6, m] = (
            (slot * 2 + (y - 1) % 2) * (shared.width + 1) + x if y else nothing
        )


@njit(inline="always")
def _gates(i, colour, count, shared, state, places, layers):
    """Sum what the left-to-right gates of one colour see of the rows above and of the input."""
    above, gates = (
        spot(layers.above, i, layers.lists[7], 0, 0),
        spot(layers.gates, i, places.order, 0, 0),
    )
    stream, weights = (
        spot(state.streams, i, places.stream, 0, 0),
        of_colour(LEFT_GATES, i, colour, shared),
    )
    add_input(colour, count, stream, weights, above, gates, shared)


@njit(inline="always")
def _left(i, colour, first, count, shared, places, layers):
    """Continue the cells of the left neighbours, `count` pixels from the `first` of the list on, one colour."""
    gates = from_pixel(spot(layers.gates, i, places.order, 0, 0), first)
    before, left = (
        spot(layers.cell, i, places.own, -1, 0),
        spot(layers.hidden, i, places.own, -1, 0),
    )
    add_state(
        colour,
        count,
        from_pixel(left, first),
        of_colour(LEFT_BESIDE, i, colour, shared),
        gates,
        shared,
    )
    cell, hidden = (
        spot(layers.cell, i, places.own, 0, 0),
        spot(layers.hidden, i, places.own, 0, 0),
    )
    before, cell, hidden = (
        from_pixel(before, first),
        from_pixel(cell, first),
        from_pixel(hidden, first),
    )
    continue_cells(colour, count, gates, before, cell, hidden, shared)


@njit(inline="always")
def _join(i, colour, count, shared, places, layers):
    """Add up both directions, one colour; returns where."""
    first, vectors = (
        shared.hidden[colour],
        shared.hidden_vectors[colour + 1] - shared.hidden_vectors[colour],
    )
    left, right = (
        spot(layers.hidden, i, places.own, 0, first),
        spot(layers.right, i, layers.lists[6], 0, first),
    )
    add(count, vectors, left, right, spot(layers.out, i, places.order, 0, first))
    return spot(layers.out, i, places.order, 0, 0)


@njit(inline="always")
def _find_rows(finished, rows, shared, layers):
    """Fill the lists with the cells of finished rows, column by column; returns how many rows and cells, padded."""
    H, W, scratch = (
        shared.height,
        shared.width,
        layers.right.shape[1] // (2 * (shared.width + 1)) - 1,
    )
    while rows > 1 and rows % 4:
        finished[rows, 0], finished[rows, 1] = scratch, 0
        rows += 1
    for x in range(W):
        for k in range(rows):
            slot, y, n = finished[k, 0], finished[k, 1], x * rows + k
            layers.lists[0, n] = (slot * 2 + (y + 1) % 2) * (W + 1) + x
            layers.lists[1, n] = (slot * H + y) * W + x
            layers.lists[2, n] = x * (scratch + 1) + slot
            layers.lists[3, n] = (slot * 2 + y % 2) * (W + 1) + x
            layers.lists[4, n] = slot * (W + 1) + x
    count = rows * W
    while count > 1 and count % 4:
        for k in range(5):
            layers.lists[k, count] = (
                0  # read for nothing; what it gives lies behind the row's gates
            )
        count += 1
    return rows, count


@njit(inline="always")
def _end_rows(finished, real, shared, state, layers):
    """Scan the finished rows from right to left in every layer, for the rows below to see."""
    rows, count = _find_rows(finished, real, shared, layers)
    lists = layers.lists
    condition, gates = (
        spot(state.conditions, 0, lists[1], 0, 0),
        spot(layers.right_gates, 0, lists[5], 0, 0),
    )
    for i in range(shared.layers):
        above, stream = (
            spot(layers.right, i, lists[0], 0, 0),
            spot(state.streams, i, lists[2], 0, 0),
        )
        _sum_above(
            i,
            count,
            above,
            condition,
            gates,
            layers.right_above_w,
            layers.right_b,
            shared,
            state,
        )
        for colour in range(shared.channels):
            add_input(
                colour,
                count,
                stream,
                of_colour(RIGHT_GATES, i, colour, shared),
                gates,
                gates,
                shared,
            )
        _scan(i, rows, shared, layers, gates)


@njit(inline="always")
def _scan(i, rows, shared, layers, gates):
    """Go from the last column to the first: add what the right neighbour says, and continue its cell."""
    hiddens, cells = layers.lists[3], layers.lists[4]
    hidden, cell = (
        spot(layers.right, i, hiddens, 0, 0),
        spot(layers.right_cell, i, cells, 0, 0),
    )
    next_hidden, next_cell = (
        spot(layers.right, i, hiddens, 1, 0),
        spot(layers.right_cell, i, cells, 1, 0),
    )
    for x in range(shared.width - 1, -1, -1):
        n = x * rows
        here, before = from_pixel(gates, n), from_pixel(next_cell, n)
        for colour in range(shared.channels):
            weights = of_colour(RIGHT_BESIDE, i, colour, shared)
            add_state(colour, rows, from_pixel(next_hidden, n), weights, here, shared)
            continue_cells(
                colour,
                rows,
                here,
                before,
                from_pixel(cell, n),
                from_pixel(hidden, n),
                shared,
            )


ahead = nothing_ahead
"""Rows begin when the row above has ended, and are summed then and later (`before`)."""


@njit(inline="always")
def before(real, count, front, shared, state, places, layers):
    """Sum what the row above says, and find that and what it says from the right."""
    _look_up(real, front.work, shared, state, layers)
    _find(count, front.work, len(state.temperature), shared, layers)


@njit(inline="always")
def layer(i, colour, count, shared, state, places, layers):
    """One colour of layer i at the pixels themselves."""
    _gates(i, colour, count, shared, state, places, layers)
    _left(i, colour, 0, count, shared, places, layers)
    return _join(i, colour, count, shared, places, layers)


@njit(inline="always")
def end_rows(rows, front, shared, state, layers):
    """Scan the finished rows from right to left."""
    _end_rows(front.finished, rows, shared, state, layers)


@njit(**ENTRY)
def advance(slots, front, shared, state, places, layers):
    """Draw until at least one row is complete (loop.draw_rows)."""
    return draw_rows(
        ahead,
        before,
        layer,
        end_rows,
        STREAMS,
        no_clock,
        0,
        slots,
        front,
        shared,
        state,
        places,
        layers,
    )


@njit(**ENTRY)
def pass_given(slots, front, shared, state, places, layers):
    """Work off the next row of each slot, which is given whole, and its weighed pixels too. False when a logit is not
    finite.

    Layer by layer, as many columns at once as a work list holds; the rows lie side by side, for a scan goes pixel by
    pixel.
    """
    work, rows, W = front.work, len(slots), shared.width
    tall = rows if rows == 1 else (rows + 3) // 4 * 4
    wide = len(front.finished) // tall
    end = 0
    while end < W:
        first, end = end, min(W, end + wide, end - end % COLUMNS + COLUMNS)
        count, wanted = begin_given(
            slots, first, end, front, shared, state, places, layers.ring_rows, STREAMS
        )
        before(rows, count, front, shared, state, places, layers)
        for i in range(shared.layers):
            for colour in range(shared.channels):
                _gates(i, colour, count, shared, state, places, layers)
            for m in range(0, (end - first) * tall, tall):
                for colour in range(shared.channels):
                    _left(i, colour, m, tall, shared, places, layers)
            for colour in range(shared.channels):
                joined = _join(i, colour, count, shared, places, layers)
                to_stream(i, colour, count, joined, shared, state, places)
                if wanted:
                    to_skips(i, colour, count, joined, shared, state, places)
        if not weigh_given(count, wanted, work, shared, state, places):
            return False
    for k in range(rows):
        front.finished[k, 0], front.finished[k, 1] = slots[k], front.first_row[slots[k]]
    end_rows(rows, front, shared, state, layers)
    return True
