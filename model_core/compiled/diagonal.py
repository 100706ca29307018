"""The Diagonal BiLSTM's layer (section 3.2) on a work list: left to right pixel by pixel, right to left row by row."""
# pyright: reportCallIssue=false

from collections import namedtuple

import numpy as np
from numba import njit

from model_core.compiled import KEEP
from model_core.compiled.frontier import move_on
from model_core.compiled.pixels import begin_step, cell, end_colour, input_features, look, new_tables, point, ways

STREAM_KIND = 2
"""Streams lie by slot and column: the right-to-left scan reads the whole row."""

Own = namedtuple("Own", "ring_rows hidden cell out left_w left_b right right_cell right_w right_b")
"""hidden and cell (L, ring cells, h): left to right. out (L, M, h): both directions, for the pixels of one step.

right (L, slots * 2 * (W + 1), h): the right-to-left map of the last two rows of each slot, by parity; the cell at W is
the learned initial state. right_cell (L, slots * (W + 1), h) is used within a row only. All weights have rows for the
state above, the one beside, the condition, the input.
"""


@njit(nogil=True, cache=KEEP)
def _layer(i, colour, count, work, shared, state, places, own, reads, starts, out):  # type: ignore[no-untyped-def]
    h, c = shared.hidden[-1], state.conditions.shape[1]
    first, end = shared.hidden[colour], shared.hidden[colour + 1]
    weights, bias = own.left_w[i], own.left_b[i]
    before, cells = np.empty(4, np.int64), np.empty(4, np.int64)
    for tile in range(0, count, 4):
        look(reads, 0, own.hidden[i], places.above, 1, tile, h)
        look(reads, 1, own.hidden[i], places.own, -1, tile, h)
        look(reads, 2, state.conditions, places.condition, 0, tile, c)
        look(reads, 3, state.streams[i], places.stream, 0, tile, shared.features[colour + 1])
        for unit in range(first, end, 16):
            point(before, own.cell[i], places.own, tile, unit - h)  # one cell back: the left neighbour
            point(cells, own.cell[i], places.own, tile, unit)
            point(out, own.hidden[i], places.own, tile, unit)
            cell(reads, 4, weights, bias, unit, before, cells, out)
    for m in range(count):
        slot, y, x = work[m, 0], work[m, 1], work[m, 2]
        above = (slot * 2 + (y - 1) % 2) * (shared.width + 1) + x
        seen = np.float32(y > 0)  # shifted down: the first row has none above
        for f in range(first, end):
            own.out[i, m, f] = own.hidden[i, places.own[m], f] + seen * own.right[i, above, f]
    ways(i, colour, count, own.out[i], places.order, shared, state, places, reads, starts, out)


@njit(nogil=True, cache=KEEP)
def _end_rows(finished, rows, shared, state, own):  # type: ignore[no-untyped-def]
    """Scan the finished rows from right to left in every layer, for the rows below to see."""
    W, H = shared.width, shared.height
    scratch = len(state.temperature) - 1
    while rows % 4:
        finished[rows, 0], finished[rows, 1] = scratch, 0
        rows += 1
    here, above, condition = np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.int64)
    stream, cells = np.empty(rows, np.int64), np.empty(rows, np.int64)
    reads = np.empty((4, 5), np.int64)
    places, before, after = np.empty(4, np.int64), np.empty(4, np.int64), np.empty(4, np.int64)
    h, F, c = shared.hidden[-1], shared.features[-1], state.conditions.shape[1]
    for i in range(shared.layers):
        for x in range(W - 1, -1, -1):
            for k in range(rows):
                slot, y = finished[k, 0], finished[k, 1]
                here[k] = (slot * 2 + y % 2) * (W + 1) + x
                above[k] = (slot * 2 + (y + 1) % 2) * (W + 1) + x
                condition[k] = (slot * H + y) * W + x
                stream[k], cells[k] = slot * W + x, slot * (W + 1) + x
            for tile in range(0, rows, 4):
                look(reads, 0, own.right[i], above, 0, tile, h)
                look(reads, 1, own.right[i], here, 1, tile, h)
                look(reads, 2, state.conditions, condition, 0, tile, c)
                look(reads, 3, state.streams[i], stream, 0, tile, F)
                for unit in range(0, h, 16):
                    point(before, own.right_cell[i], cells, tile, h + unit)
                    point(after, own.right_cell[i], cells, tile, unit)
                    point(places, own.right[i], here, tile, unit)
                    cell(reads, 4, own.right_w[i], own.right_b[i], unit, before, after, places)


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
            _end_rows(finished, rows, shared, state, own)
            return rows
