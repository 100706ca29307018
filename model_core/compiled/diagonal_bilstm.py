"""The Diagonal BiLSTM's layer (section 3.2) on a list of pixels: from left to right
pixel by pixel, from right to left row by row.

What the gates read of the row above is known before a row begins, so it is summed for
many columns and all layers at once. Letters as in records.py.
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
"""Products that are computed colour by colour, for each direction: from the input to
the gates, and from the neighbour's state to the gates."""

STREAMS = BY_COLUMN
"""The right-to-left scan reads the whole row. Images that are drawn side by side are
often at the same column, and lie side by side in memory, too."""


COLUMNS = 32
"""Columns that are summed at once. The sums of a whole row would not fit into the cache
if it is as wide as a field's."""


class Layers(NamedTuple):
    """Weights and state of all layers, for `advance` and `pass_given`; letters as in
    records.py. sampling/compiled/diagonal_bilstm.py makes the arrays."""

    ring_rows: int
    """R."""
    hidden: Floats3
    """(L, S * R * (W + 2), h): left-to-right hidden states."""
    cell: Floats3
    """(L, S * R * (W + 2), h): left-to-right cell states."""
    above: Floats3
    """(L, min(W, COLUMNS) * S, G): what the left-to-right gates read of the states
    above and of the condition, summed."""
    gates: Floats3
    """(L, M, G): sums of the left-to-right gates."""
    out: Floats3
    """(L, M, h): both directions, added."""
    right: Floats3
    """(L, S * 2 * (W + 1) + 1, h): the right-to-left map of the last two rows of each
    slot, even and odd rows separately. The cell at W is the learned initial state, and
    the very last cell is zero."""
    right_cell: Floats3
    """(L, S * (W + 1), h): right-to-left cell states, used within a row only, like
    right_gates."""
    right_gates: Floats2
    """(S * W, G): sums of the right-to-left gates."""
    lists: Integers2
    """(8, ...): cells of whole rows and their order, and where the pixels of one step
    find `right` and `above`."""
    left_above_w: Floats4
    """(L, vectors, inputs, 16): weights for the state above, then for the condition;
    the same for right_above_w."""
    left_b: Floats2
    right_above_w: Floats4
    right_b: Floats2


@njit(inline="always")
def _sum_above(i, count, hidden, condition, gates, weights, bias, shared, state):
    """Set `gates` to the bias and what they read of the states above, at the spot
    `hidden`, and of the condition, all colours."""
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
    """For rows that are at the first of the next COLUMNS columns, sum what these read
    of the row above, in all layers."""
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
    nothing = layers.right.shape[1] - 1
    for m in range(count):
        slot, y, x = work[m, 0], work[m, 1], work[m, 2]
        layers.lists[7, m] = x % COLUMNS * slots + slot
        layers.lists[6, m] = (
            (slot * 2 + (y - 1) % 2) * (shared.width + 1) + x if y else nothing
        )


@njit(inline="always")
def _gates(i, colour, count, shared, state, places, layers):
    """Sum what the left-to-right gates of one colour read of the rows above and of the
    input."""
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
    """Compute the cells of one colour of `count` pixels, from the `first` of the list
    on, from those of their left neighbours."""
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
    """Fill the lists with the cells of complete rows, column by column. Return the
    number of rows and of cells, padded."""
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
    """Scan complete rows from right to left in every layer, for the rows below."""
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
    """Go from the last column to the first: add what the gates read of the right
    neighbour, and compute the cell."""
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
"""Nothing is summed before the turn of a pixel: a row begins when the row above has
ended, and `before` sums then."""


@njit(inline="always")
def before(real, count, front, shared, state, places, layers):
    """Sum what the left-to-right gates read of the row above, for all layers and
    colours, into layers.above, and find for each pixel its right-to-left state above,
    in layers.lists. It is `before` of loop.draw_rows, which describes the arguments."""
    _look_up(real, front.work, shared, state, layers)
    _find(count, front.work, len(state.temperature), shared, layers)


@njit(inline="always")
def layer(i, colour, count, shared, state, places, layers):
    """Compute one colour of layer i at the first `count` pixels of the step, into
    layers.out. Return where its features are, a spot (products.spot). It is `layer` of
    loop.draw_rows."""
    _gates(i, colour, count, shared, state, places, layers)
    _left(i, colour, 0, count, shared, places, layers)
    return _join(i, colour, count, shared, places, layers)


@njit(inline="always")
def end_rows(rows, front, shared, state, layers):
    """Scan the rows that a step completed, the first `rows` of front.finished, from
    right to left, into layers.right. It is `end_rows` of loop.draw_rows."""
    _end_rows(front.finished, rows, shared, state, layers)


@njit(**ENTRY)
def advance(slots, front, shared, state, places, layers):
    """Draw all images in `slots`, int64 (n,), until at least one row is complete.
    Return the number of complete rows, which are listed in front.finished as (slot, y),
    or -1 if a logit is not finite. The records (records.py) are changed, and the
    interpreter's lock is released."""
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
    """Compute the next row of each of `slots`, int64 (n,), all of whose pixels are
    given, and add up ln p of its weighed pixels in state.log_p. Return False if a logit
    of theirs is not finite. The records are changed; the caller counts the rows as
    done."""
    # Layer by layer, for as many columns at once as a list holds. The rows of all
    # slots lie side by side, because a scan goes pixel by pixel.
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
