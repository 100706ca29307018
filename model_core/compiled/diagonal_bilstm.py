"""The Diagonal BiLSTM's layer (section 3.2) on a work list: left to right pixel by pixel, right to left row by row.

What the row above says is known before a row begins, so it is summed for the whole row and all layers at once.
"""
# pyright: reportCallIssue=false

from collections import namedtuple

import numpy as np
from numba import njit

from model_core.compiled import LEAN
from model_core.compiled.frontier import move_on
from model_core.compiled.loop import (
    OWN,
    begin_given,
    begin_step,
    end_colour,
    input_from_own,
    of_colour,
    to_skips,
    to_stream,
)
from model_core.compiled.products import address, columns, further, multiply, row, spot
from model_core.compiled.recurrence import add_input, add_state, continue_cells
from model_core.compiled.tiles import add

LEFT_GATES, LEFT_BESIDE, RIGHT_GATES, RIGHT_BESIDE = range(OWN, OWN + 4)
"""Products of one colour: of both directions, from the input and from the state of the neighbour to the gates."""

STREAM_KIND = 2
"""Streams lie by column and slot: the right-to-left scan reads the whole row, and images drawn side by side, which are
often at the same column, lie so in memory as well."""

Own = namedtuple(
    "Own",
    "ring_rows hidden cell above gates out right right_cell right_gates lists "
    "left_above_w left_b right_above_w right_b",
)
"""hidden and cell (L, ring cells, h): left to right. above (L, W * slots, 4h): what the gates of a row see above it.

gates (L, M, 4h) and out (L, M, h), both directions, are of the pixels of one step.
right (L, slots * 2 * (W + 1) + 1, h): the right-to-left map of the last two rows of each slot, by parity; the cell at W
is the learned initial state, the very last cell is zero. right_cell (L, slots * (W + 1), h) and right_gates
(slots * W, 4h) are used within a row only. lists (7, ...): cells of whole rows, their order, and
where the pixels of one step find `right`.
Weight rows of above: the state above, the condition.
"""


@njit(inline="always")
def _sum_above(i, count, hidden, condition, gates, weights, bias, shared, state):  # type: ignore[no-untyped-def]
    """gates = bias + what they see of the states above, at the spot `hidden`, and of the condition, all colours."""
    h, c, vectors = shared.hidden[-1], state.conditions.shape[1], weights.shape[1]
    zeros = address(shared.zeros)
    start = zeros, np.int64(0), gates[2]
    multiply(count, hidden, 1, h, columns(weights, i, 0, 0), vectors, row(bias, i), start, gates, 0)
    if c:
        multiply(count, condition, 1, c, columns(weights, i, 0, h), vectors, zeros, gates, gates, 0)


@njit(inline="always")
def _begin_rows(real, work, shared, state, own):  # type: ignore[no-untyped-def]
    """Sum what the row above says to every pixel of the rows that begin, in all layers."""
    H, W, scratch = shared.height, shared.width, len(state.temperature) - 1
    up, condition, here = own.lists[0], own.lists[1], own.lists[2]
    count = 0
    for m in range(real):
        slot, y = work[m, 0], work[m, 1]
        if work[m, 2] == 0:
            for x in range(W):
                up[count] = (slot * own.ring_rows + (y - 1) % own.ring_rows) * (W + 2) + x + 1
                condition[count], here[count] = (slot * H + y) * W + x, x * (scratch + 1) + slot
                count += 1
    while count > 1 and count % 4:
        up[count], condition[count], here[count] = scratch * own.ring_rows * (W + 2), scratch * H * W, scratch
        count += 1
    if count:
        conditions = spot(state.conditions, 0, condition, 0, 0)
        for i in range(shared.layers):
            hidden, gates = spot(own.hidden, i, up, 0, 0), spot(own.above, i, here, 0, 0)
            _sum_above(i, count, hidden, conditions, gates, own.left_above_w, own.left_b, shared, state)


@njit(inline="always")
def _find_right(count, work, shared, own):  # type: ignore[no-untyped-def]
    """Where the right-to-left map has what these pixels see of the row above: shifted down, the first row sees none."""
    nothing = own.right.shape[1] - 1
    for m in range(count):
        slot, y, x = work[m, 0], work[m, 1], work[m, 2]
        own.lists[6, m] = (slot * 2 + (y - 1) % 2) * (shared.width + 1) + x if y else nothing


@njit(inline="always")
def _gates(i, colour, count, shared, state, places, own):  # type: ignore[no-untyped-def]
    """What the left-to-right gates of one colour see of the rows above and of the input."""
    above, gates = spot(own.above, i, places.stream, 0, 0), spot(own.gates, i, places.order, 0, 0)
    stream, weights = spot(state.streams, i, places.stream, 0, 0), of_colour(LEFT_GATES, i, colour, shared)
    add_input(colour, count, stream, weights, above, gates, shared)


@njit(inline="always")
def _left(i, colour, first, count, shared, places, own):  # type: ignore[no-untyped-def]
    """Continue the cells of the left neighbours, `count` pixels from the `first` of the list on, one colour."""
    gates = further(spot(own.gates, i, places.order, 0, 0), first)
    before, left = spot(own.cell, i, places.own, -1, 0), spot(own.hidden, i, places.own, -1, 0)
    add_state(colour, count, further(left, first), of_colour(LEFT_BESIDE, i, colour, shared), gates, shared)
    cell, hidden = spot(own.cell, i, places.own, 0, 0), spot(own.hidden, i, places.own, 0, 0)
    before, cell, hidden = further(before, first), further(cell, first), further(hidden, first)
    continue_cells(colour, count, gates, before, cell, hidden, shared)


@njit(inline="always")
def _join(i, colour, count, shared, state, places, own):  # type: ignore[no-untyped-def]
    """Add up both directions, and on to the next stream, one colour."""
    first, vectors = shared.hidden[colour], shared.hidden_vectors[colour + 1] - shared.hidden_vectors[colour]
    left, right = spot(own.hidden, i, places.own, 0, first), spot(own.right, i, own.lists[6], 0, first)
    add(count, vectors, left, right, spot(own.out, i, places.order, 0, first))
    to_stream(i, colour, count, spot(own.out, i, places.order, 0, 0), shared, state, places)


@njit(inline="always")
def _find_rows(finished, rows, shared, own):  # type: ignore[no-untyped-def]
    """Fill the lists with the cells of finished rows, column by column; returns how many rows and cells, padded."""
    H, W, scratch = shared.height, shared.width, own.above.shape[1] // shared.width - 1
    while rows > 1 and rows % 4:
        finished[rows, 0], finished[rows, 1] = scratch, 0
        rows += 1
    for x in range(W):
        for k in range(rows):
            slot, y, n = finished[k, 0], finished[k, 1], x * rows + k
            own.lists[0, n] = (slot * 2 + (y + 1) % 2) * (W + 1) + x
            own.lists[1, n] = (slot * H + y) * W + x
            own.lists[2, n] = x * (scratch + 1) + slot
            own.lists[3, n] = (slot * 2 + y % 2) * (W + 1) + x
            own.lists[4, n] = slot * (W + 1) + x
    count = rows * W
    while count > 1 and count % 4:
        for k in range(5):
            own.lists[k, count] = 0  # read for nothing; what it gives lies behind the row's gates
        count += 1
    return rows, count


@njit(inline="always")
def _end_rows(finished, real, shared, state, own):  # type: ignore[no-untyped-def]
    """Scan the finished rows from right to left in every layer, for the rows below to see."""
    rows, count = _find_rows(finished, real, shared, own)
    lists = own.lists
    condition, gates = spot(state.conditions, 0, lists[1], 0, 0), spot(own.right_gates, 0, lists[5], 0, 0)
    for i in range(shared.layers):
        above, stream = spot(own.right, i, lists[0], 0, 0), spot(state.streams, i, lists[2], 0, 0)
        _sum_above(i, count, above, condition, gates, own.right_above_w, own.right_b, shared, state)
        for colour in range(shared.channels):
            add_input(colour, count, stream, of_colour(RIGHT_GATES, i, colour, shared), gates, gates, shared)
        _scan(i, rows, shared, own, gates)


@njit(inline="always")
def _scan(i, rows, shared, own, gates):  # type: ignore[no-untyped-def]
    """From the last column to the first: add what the right neighbour says, and continue its cell."""
    hidden, cell = spot(own.right, i, own.lists[3], 0, 0), spot(own.right_cell, i, own.lists[4], 0, 0)
    next_hidden, next_cell = spot(own.right, i, own.lists[3], 1, 0), spot(own.right_cell, i, own.lists[4], 1, 0)
    for x in range(shared.width - 1, -1, -1):
        n = x * rows
        here, before = further(gates, n), further(next_cell, n)
        for colour in range(shared.channels):
            weights = of_colour(RIGHT_BESIDE, i, colour, shared)
            add_state(colour, rows, further(next_hidden, n), weights, here, shared)
            continue_cells(colour, rows, here, before, further(cell, n), further(hidden, n), shared)


@njit(**LEAN)
def advance(slots, first_row, done, lag, work, finished, shared, state, places, own):  # type: ignore[no-untyped-def]
    """Draw until at least one row is complete; returns how many are, or -1 when a logit is not finite."""
    while True:
        real, count, wanted = begin_step(
            slots, first_row, done, lag, work, shared, state, places, own.ring_rows, STREAM_KIND
        )
        _begin_rows(real, work, shared, state, own)
        _find_right(count, work, shared, own)
        for colour in range(shared.channels):
            input_from_own(colour, count, shared, state, places)
            for i in range(shared.layers):
                _gates(i, colour, count, shared, state, places, own)
                _left(i, colour, 0, count, shared, places, own)
                _join(i, colour, count, shared, state, places, own)
                to_skips(i, colour, count, spot(own.out, i, places.order, 0, 0), shared, state, places)
            if not end_colour(colour, real, wanted, work, shared, state, places):
                return -1
        rows = move_on(work, real, done, first_row, finished)
        if rows:
            _end_rows(finished, rows, shared, state, own)
            return rows


@njit(**LEAN)
def take(slot, y, work, shared, state, places, own):  # type: ignore[no-untyped-def]
    """Work off a row that is given whole, layer by layer; one pixel after the other only where a scan demands it."""
    count = begin_given(slot, y, work, shared, state, places, own.ring_rows, STREAM_KIND)
    _begin_rows(shared.width, work, shared, state, own)
    _find_right(count, work, shared, own)
    for i in range(shared.layers):
        for colour in range(shared.channels):
            _gates(i, colour, count, shared, state, places, own)
        for x in range(shared.width):
            for colour in range(shared.channels):
                _left(i, colour, x, 1, shared, places, own)
        for colour in range(shared.channels):
            _join(i, colour, count, shared, state, places, own)
    work[0, 0], work[0, 1] = slot, y
    _end_rows(work, 1, shared, state, own)
