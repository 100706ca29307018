"""The Row LSTM's layer (section 3.1) on a work list."""
# pyright: reportCallIssue=false

from collections import namedtuple

import numpy as np
from numba import njit

from model_core.compiled import KEEP
from model_core.compiled.frontier import move_on
from model_core.compiled.pixels import begin_step, cell, end_colour, input_features, look, new_tables, point, ways

STREAM_KIND = 1
"""Streams lie in the ring: a layer reads those of the left neighbour too."""

Own = namedtuple("Own", "ring_rows hidden cell gates_w gates_b")
"""hidden and cell (L, ring cells, h). Weight rows: the three states above, the condition, the left and own inputs."""


@njit(nogil=True, cache=KEEP)
def _layer(i, colour, count, work, shared, state, places, own, reads, starts, out):  # type: ignore[no-untyped-def]
    h, c, F = shared.hidden[-1], state.conditions.shape[1], shared.features[-1]
    weights, bias = own.gates_w[i], own.gates_b[i]
    before, cells = np.empty(4, np.int64), np.empty(4, np.int64)
    for tile in range(0, count, 4):
        look(reads, 0, own.hidden[i], places.above, 0, tile, 3 * h)
        look(reads, 1, state.conditions, places.condition, 0, tile, c)
        look(reads, 2, state.streams[i], places.stream, -1, tile, F + shared.features[colour + 1])
        for unit in range(shared.hidden[colour], shared.hidden[colour + 1], 16):
            point(before, own.cell[i], places.above, tile, h + unit)  # one cell on from up and left: straight up
            point(cells, own.cell[i], places.own, tile, unit)
            point(out, own.hidden[i], places.own, tile, unit)
            cell(reads, 3, weights, bias, unit, before, cells, out)
    ways(i, colour, count, own.hidden[i], places.own, shared, state, places, reads, starts, out)


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
