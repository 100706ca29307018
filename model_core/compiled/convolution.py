"""PixelCNN's layer (section 3.5) on a work list."""
# pyright: reportCallIssue=false

from collections import namedtuple

import numpy as np
from numba import njit

from model_core.compiled import KEEP
from model_core.compiled.frontier import move_on
from model_core.compiled.pixels import begin_step, end_colour, input_features, linear, look, new_tables, point, ways

STREAM_KIND = 0
"""Streams lie in the order of the work list."""

Own = namedtuple("Own", "ring_rows maps rectified out down_w down_b spread_w spread_b")
"""maps (L, ring cells, h): what the 3 x 3 reads. rectified (L, M, 2h) and out (L, M, h): of the pixels of one step."""


@njit(nogil=True, cache=KEEP)
def _layer(i, colour, count, work, shared, state, places, own, reads, starts, out):  # type: ignore[no-untyped-def]
    first, end = shared.hidden[colour], shared.hidden[colour + 1]
    stream_first, stream_end = shared.features[colour], shared.features[colour + 1]
    h, c = shared.hidden[-1], state.conditions.shape[1]
    for m in range(count):
        for f in range(stream_first, stream_end):
            value = state.streams[i, m, f]
            own.rectified[i, m, f] = np.float32(0) if value < 0 else value  # NaN stays NaN
    starts[0] = 0
    for tile in range(0, count, 4):
        look(reads, 0, own.rectified[i], places.order, 0, tile, stream_end)
        point(out, own.maps[i], places.own, tile, first)
        linear(reads, 1, own.down_w[i], own.down_b[i], first, end, starts, out, 1)
    for tile in range(0, count, 4):
        look(reads, 0, own.maps[i], places.above, 0, tile, 3 * h)
        look(reads, 1, state.conditions, places.condition, 0, tile, c)
        look(reads, 2, own.maps[i], places.own, -1, tile, h + end)
        point(out, own.out[i], places.order, tile, first)
        linear(reads, 3, own.spread_w[i], own.spread_b[i], first, end, starts, out, 1)
    ways(i, colour, count, own.out[i], places.order, shared, state, places, reads, starts, out)


@njit(nogil=True, cache=KEEP)
def advance(slots, first_row, done, lag, work, finished, shared, state, places, own):  # type: ignore[no-untyped-def]
    """Draw until at least one row is complete; returns how many are, or -1 when a logit is not finite."""
    reads, starts, out = new_tables()
    while True:
        real, count = begin_step(slots, first_row, done, lag, work, shared, state, places, own.ring_rows, STREAM_KIND)
        for colour in range(shared.channels):
            input_features(colour, count, shared, state, places, reads, starts, out)
            for i in range(shared.layers):
                _layer(i, colour, count, work, shared, state, places, own, reads, starts, out)
            if not end_colour(colour, real, count, work, shared, state, places, reads, starts, out):
                return -1
        rows = move_on(work, real, done, first_row, finished)
        if rows:
            return rows
