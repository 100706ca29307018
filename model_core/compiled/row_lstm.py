"""The Row LSTM's layer (section 3.1) on a work list."""
# pyright: reportCallIssue=false

from collections import namedtuple

from numba import njit

from model_core.compiled import LEAN
from model_core.compiled.frontier import move_on
from model_core.compiled.loop import (
    OWN,
    begin_above,
    begin_given,
    begin_step,
    end_colour,
    from_above,
    input_from_own,
    of_colour,
    to_skips,
    to_stream,
)
from model_core.compiled.products import address, columns, multiply, spot
from model_core.compiled.recurrence import add_input, continue_cells

GATES = OWN
"""A product of one colour: from the pixel's input to the gates."""

STREAM_KIND = 1
"""Streams lie in the ring: a layer reads those of the left neighbour too."""

Own = namedtuple("Own", "ring_rows hidden cell few above gates above_w above_b beside_w")
"""hidden and cell (L, ring cells, h); above (L, slots * ring rows * 3, 4h): what the gates see of the row above.

gates (L, M, 4h) are of the pixels of one step. few: see frontier.collect_above.
Weight rows of above: the three states above; of beside: the condition, the left input.
"""


@njit(inline="always")
def _from_above(i, count, out, shared, places, own):  # type: ignore[no-untyped-def]
    """out = what the gates of layer i see of the states above, all colours."""
    from_above(i, count, own.hidden, own.above_w, own.above_b, out, shared, places)


@njit(inline="always")
def _from_before(i, count, summed, shared, state, places, own):  # type: ignore[no-untyped-def]
    """What the gates of layer i see of the pixels before, all colours.

    summed: what they see of the row above is in own.above.
    """
    c = state.conditions.shape[1]
    gates, vectors, zeros = spot(own.gates, i, places.order, 0, 0), own.beside_w.shape[1], address(shared.zeros)
    start = spot(own.above, i, places.sums, 0, 0)
    if not summed:
        _from_above(i, count, gates, shared, places, own)
        start = gates
    if c:
        read, weights = spot(state.conditions, 0, places.condition, 0, 0), columns(own.beside_w, i, 0, 0)
        multiply(count, read, 1, c, weights, vectors, zeros, start, gates, 0)
        start = gates
    read, weights = spot(state.streams, i, places.stream, -1, 0), columns(own.beside_w, i, 0, c)
    multiply(count, read, 1, shared.features[-1], weights, vectors, zeros, start, gates, 0)


@njit(inline="always")
def _cells(i, colour, count, shared, state, places, own):  # type: ignore[no-untyped-def]
    """The cells of one colour, of whose gates what lies before the pixel is summed already; and the next stream."""
    gates, stream = spot(own.gates, i, places.order, 0, 0), spot(state.streams, i, places.stream, 0, 0)
    add_input(colour, count, stream, of_colour(GATES, i, colour, shared), gates, gates, shared)
    before = spot(own.cell, i, places.above, 1, 0)  # one cell on from up and left: straight up
    cell, hidden = spot(own.cell, i, places.own, 0, 0), spot(own.hidden, i, places.own, 0, 0)
    continue_cells(colour, count, gates, before, cell, hidden, shared)
    to_stream(i, colour, count, hidden, shared, state, places)


@njit(**LEAN)
def advance(slots, first_row, done, lag, work, finished, shared, state, places, own):  # type: ignore[no-untyped-def]
    """Draw until at least one row is complete; returns how many are, or -1 when a logit is not finite."""
    while True:
        count = begin_above(
            slots, first_row, done, lag, work, shared, state, places, own.few, own.ring_rows, STREAM_KIND
        )
        if count:
            for i in range(shared.layers):
                _from_above(i, count, spot(own.above, i, places.sums, 0, 0), shared, places, own)
        real, count, wanted = begin_step(
            slots, first_row, done, lag, work, shared, state, places, own.ring_rows, STREAM_KIND
        )
        for i in range(shared.layers):
            _from_before(i, count, real <= own.few, shared, state, places, own)
        for colour in range(shared.channels):
            input_from_own(colour, count, shared, state, places)
            for i in range(shared.layers):
                _cells(i, colour, count, shared, state, places, own)
                to_skips(i, colour, count, spot(own.hidden, i, places.own, 0, 0), shared, state, places)
            if not end_colour(colour, real, wanted, work, shared, state, places):
                return -1
        rows = move_on(work, real, done, first_row, finished)
        if rows:
            return rows


@njit(**LEAN)
def take(slot, y, work, shared, state, places, own):  # type: ignore[no-untyped-def]
    """Work off a row that is given whole, layer by layer, as far as the rows below see it."""
    count = begin_given(slot, y, work, shared, state, places, own.ring_rows, STREAM_KIND)
    for i in range(shared.layers):
        _from_before(i, count, False, shared, state, places, own)
        for colour in range(shared.channels):
            _cells(i, colour, count, shared, state, places, own)
