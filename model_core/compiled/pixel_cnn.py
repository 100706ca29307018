"""PixelCNN's layer (section 3.5) on a work list."""
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
from model_core.compiled.products import address, aside, columns, everywhere, multiply, one_colour, row, spot
from model_core.compiled.tiles import rectify

DOWN, ACROSS = OWN, OWN + 1
"""Products of one colour: the 1 x 1 convolution, and the 3 x 3 at the pixel itself."""

STREAM_KIND = 0
"""Streams lie in the order of the work list."""

Own = namedtuple("Own", "ring_rows maps few above rectified sums out down_b above_w above_b beside_w")
"""maps (L, ring cells, h): what the 3 x 3 reads; above (L, slots * ring rows * 3, h): what it reads of the row above.

rectified (L, M, 2h), sums and out (L, M, h) are of the pixels of one step. few: see frontier.collect_above.
Weight rows of above: the three cells above; of beside: the condition, the cell to the left.
"""


@njit(inline="always")
def _from_above(i, count, out, shared, places, own):  # type: ignore[no-untyped-def]
    """out = what the 3 x 3 convolution of layer i reads of the row above, all colours."""
    from_above(i, count, own.maps, own.above_w, own.above_b, out, shared, places)


@njit(inline="always")
def _from_before(i, count, summed, shared, state, places, own):  # type: ignore[no-untyped-def]
    """sums = what the 3 x 3 convolution of layer i reads before the pixel, all colours.

    summed: what it reads of the row above is in own.above.
    """
    h, c = shared.hidden[-1], state.conditions.shape[1]
    out, vectors, zeros = spot(own.sums, i, places.order, 0, 0), own.beside_w.shape[1], address(shared.zeros)
    start = spot(own.above, i, places.sums, 0, 0)
    if not summed:
        _from_above(i, count, out, shared, places, own)
        start = out
    if c:
        read, weights = spot(state.conditions, 0, places.condition, 0, 0), columns(own.beside_w, i, 0, 0)
        multiply(count, read, 1, c, weights, vectors, zeros, start, out, 0)
        start = out
    read, weights = spot(own.maps, i, places.own, -1, 0), columns(own.beside_w, i, 0, c)
    multiply(count, read, 1, h, weights, vectors, zeros, start, out, 0)


@njit(inline="always")
def _down(i, colour, count, shared, state, places, own):  # type: ignore[no-untyped-def]
    """ReLU - 1 x 1 - ReLU of one colour: from the stream to what the 3 x 3 reads."""
    first, vectors = shared.features[colour], shared.feature_vectors[colour + 1] - shared.feature_vectors[colour]
    stream, rectified = spot(state.streams, i, places.stream, 0, 0), spot(own.rectified, i, places.order, 0, 0)
    rectify(count, vectors, aside(stream, first), aside(rectified, first))
    weights, bias = of_colour(DOWN, i, colour, shared), row(own.down_b, i)
    known, out = shared.features[colour + 1], spot(own.maps, i, places.own, 0, 0)
    zeros = everywhere(shared.zeros, places.order)
    one_colour(colour, shared.hidden, shared.hidden_vectors, count, rectified, known, weights, bias, zeros, out, 1)


@njit(inline="always")
def _spread(i, colour, count, shared, state, places, own):  # type: ignore[no-untyped-def]
    """3 x 3 - ReLU of one colour, of which what lies before the pixel is summed already; and on to the next stream."""
    read, sums = spot(own.maps, i, places.own, 0, 0), spot(own.sums, i, places.order, 0, 0)
    weights, zeros, known = of_colour(ACROSS, i, colour, shared), address(shared.zeros), shared.hidden[colour + 1]
    out = spot(own.out, i, places.order, 0, 0)
    one_colour(colour, shared.hidden, shared.hidden_vectors, count, read, known, weights, zeros, sums, out, 1)
    to_stream(i, colour, count, out, shared, state, places)


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
                _down(i, colour, count, shared, state, places, own)
                _spread(i, colour, count, shared, state, places, own)
                to_skips(i, colour, count, spot(own.out, i, places.order, 0, 0), shared, state, places)
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
        for colour in range(shared.channels):
            _down(i, colour, count, shared, state, places, own)
        if i < shared.layers - 1:
            _from_before(i, count, False, shared, state, places, own)
            for colour in range(shared.channels):
                _spread(i, colour, count, shared, state, places, own)
