"""Drawing pixel by pixel in compiled code: what every network shares. All functions are numba's, tables as in tiles.py.

A work list is `work` (M, 3) int64, M a multiple of 4: slot, y, x of each pixel. Maps are flat, (cells, width) float32;
where a pixel's features lie is an array of M cells. Colours are computed in order; colour c reads, at its own pixel,
the features of the colours up to its own, which are a prefix of the map (padded.py).

Each network's file has the loop that calls these, `advance`; written out, because numba keeps no closures on disk.
"""
# pyright: reportCallIssue=false, reportArgumentType=false
# numba passes an intrinsic's first parameter itself

import math
from collections import namedtuple

import numpy as np
from numba import njit

from model_core.compiled import KEEP
from model_core.compiled.frontier import collect, fill_up
from model_core.compiled.tiles import READ, cell_tile, linear_1, linear_2, linear_3, linear_4

BYTES = 4
SIDE = 3
"""The 7 x 7 kernel reaches three pixels to each side and three rows up."""
VALUE_WIDTH = 4
"""Features of a cell of the map of values: up to three colours and a spare."""

Shared = namedtuple(
    "Shared",
    "channels values height width layers residual skip features hidden wide outputs "  # sizes, and where colours lie
    "input_w input_b up_w up_b skip_w skip_b first_w first_b second_w second_b output_w output_b",
)
"""The weights that all networks have, and their sizes; features, hidden, wide, outputs: bounds of the colours."""

State = namedtuple(
    "State",
    "images keep noise temperature scaled conditions "  # (slots + 1, ...): what is drawn, from what
    "streams skips top first second logits",  # maps of the pixels of one step
)
"""What changes while images are drawn."""

Places = namedtuple("Places", "order stream values condition own above")
"""Where the pixels of a work list lie: in their order, and as cells of each map. above: the cell up and to the left."""


@njit(nogil=True, cache=KEEP)
def linear(reads, count, weights, bias, first, end, starts, places, rectify):  # type: ignore[no-untyped-def]
    """Columns first..end of bias + starts + reads @ weights (K, N) for four pixels; see tiles.linear_1.

    starts and places hold the addresses of column `first`, and are moved on; starts[0] = 0 is none.
    """
    weight_bytes = weights.shape[1] * BYTES
    column = first
    while column < end:
        at_weights, at_bias = weights.ctypes.data + column * BYTES, bias.ctypes.data + column * BYTES
        at_starts = starts.ctypes.data if starts[0] else 0
        vectors = min(4, (end - column) // 16)
        if vectors == 4:
            linear_4(
                reads.ctypes.data, count, at_weights, weight_bytes, at_bias, at_starts, places.ctypes.data, rectify
            )
        elif vectors == 3:
            linear_3(
                reads.ctypes.data, count, at_weights, weight_bytes, at_bias, at_starts, places.ctypes.data, rectify
            )
        elif vectors == 2:
            linear_2(
                reads.ctypes.data, count, at_weights, weight_bytes, at_bias, at_starts, places.ctypes.data, rectify
            )
        else:
            linear_1(
                reads.ctypes.data, count, at_weights, weight_bytes, at_bias, at_starts, places.ctypes.data, rectify
            )
        column += vectors * 16
        for r in range(4):
            places[r] += vectors * 16 * BYTES
            if starts[0]:
                starts[r] += vectors * 16 * BYTES


@njit(nogil=True, cache=KEEP)
def look(reads, row, features, cells, shift, tile, count):  # type: ignore[no-untyped-def]
    """Row `row` of reads: `count` floats of a flat map, from `shift` cells beside cells[tile..tile + 3]."""
    base, width = features.ctypes.data, features.shape[1]
    for r in range(4):
        reads[row, r] = base + (cells[tile + r] + shift) * width * BYTES
    reads[row, READ - 1] = count


@njit(nogil=True, cache=KEEP)
def point(places, features, cells, tile, column):  # type: ignore[no-untyped-def]
    """Four places: column `column` of the flat map `features` at cells[tile..tile + 3]."""
    base, width = features.ctypes.data, features.shape[1]
    for r in range(4):
        places[r] = base + (cells[tile + r] * width + column) * BYTES


@njit(nogil=True, cache=KEEP)
def cell(reads, count, weights, bias, unit, before, cells, hiddens):  # type: ignore[no-untyped-def]
    """Hidden units unit..unit + 15 of an LSTM for four pixels; weights (K, 4h); see tiles.cell_tile."""
    cell_tile(
        reads.ctypes.data,
        count,
        weights.ctypes.data + 4 * unit * BYTES,
        weights.shape[1] * BYTES,
        bias.ctypes.data + 4 * unit * BYTES,
        before.ctypes.data,
        cells.ctypes.data,
        hiddens.ctypes.data,
    )


@njit(nogil=True, cache=KEEP)
def draw_value(logits, values, noise, temperature):  # type: ignore[no-untyped-def]
    """The smallest value whose cumulative probability exceeds the noise; -1 when a logit is not finite."""
    top = np.float64(logits[0])
    for v in range(values):
        if not math.isfinite(logits[v]):
            return -1
        top = max(top, np.float64(logits[v]))
    total = 0.0
    for v in range(values):
        total += math.exp((np.float64(logits[v]) - top) / temperature)
    reached = 0.0
    for v in range(values):
        reached += math.exp((np.float64(logits[v]) - top) / temperature)
        if reached > noise * total:
            return v
    return values - 1


@njit(nogil=True, cache=KEEP)
def locate(work, count, shared, places, ring_rows, stream_kind):  # type: ignore[no-untyped-def]
    """Fill the cells of a work list. stream_kind: 0 streams lie in its order, 1 in the ring, 2 by (slot, x)."""
    H, W = shared.height, shared.width
    ring = W + 2
    for i in range(count):
        slot, y, x = work[i, 0], work[i, 1], work[i, 2]
        places.order[i] = i
        places.values[i] = (slot * (H + SIDE) + y + SIDE) * (W + 2 * SIDE) + x + SIDE
        places.condition[i] = (slot * H + y) * W + x
        places.own[i] = (slot * ring_rows + y % ring_rows) * ring + x + 1
        places.above[i] = (slot * ring_rows + (y - 1) % ring_rows) * ring + x
        places.stream[i] = i if stream_kind == 0 else places.own[i] if stream_kind == 1 else slot * W + x


@njit(nogil=True, cache=KEEP)
def input_features(colour, count, shared, state, places, reads, starts, out):  # type: ignore[no-untyped-def]
    """The 7 x 7 mask-A convolution: three whole rows of seven cells, then four of the pixel's own row."""
    first, end = shared.features[colour], shared.features[colour + 1]
    row = shared.width + 2 * SIDE
    starts[0] = 0
    for tile in range(0, count, 4):
        for up in range(SIDE):
            look(reads, up, state.scaled, places.values, (up - SIDE) * row - SIDE, tile, (2 * SIDE + 1) * VALUE_WIDTH)
        look(reads, SIDE, state.scaled, places.values, -SIDE, tile, (SIDE + 1) * VALUE_WIDTH)
        point(out, state.streams[0], places.stream, tile, first)
        linear(reads, SIDE + 1, shared.input_w, shared.input_b, first, end, starts, out, 0)


@njit(nogil=True, cache=KEEP)
def ways(layer, colour, count, hidden, cells, shared, state, places, reads, starts, out):  # type: ignore[no-untyped-def]
    """From a layer's hidden map to the next stream and to the skip sum, the features of one colour."""
    first, end = shared.features[colour], shared.features[colour + 1]
    for tile in range(0, count, 4):
        look(reads, 0, hidden, cells, 0, tile, shared.hidden[colour + 1])
        starts[0] = 0
        if shared.residual:
            point(starts, state.streams[layer], places.stream, tile, first)
        point(out, state.streams[layer + 1], places.stream, tile, first)
        linear(reads, 1, shared.up_w[layer], shared.up_b[layer], first, end, starts, out, 0)
        if shared.skip:
            point(starts, state.skips, places.order, tile, first)
            point(out, state.skips, places.order, tile, first)
            linear(reads, 1, shared.skip_w[layer], shared.skip_b[layer], first, end, starts, out, 0)


@njit(nogil=True, cache=KEEP)
def head(colour, count, work, shared, state, places, reads, starts, out):  # type: ignore[no-untyped-def]
    """Logits of one colour of the pixels that are to be drawn; a tile of given pixels is left out."""
    first, end = shared.features[colour], shared.features[colour + 1]
    starts[0] = 0
    for tile in range(0, count, 4):
        for r in range(4):
            stream = state.streams[shared.layers, places.stream[tile + r]]
            for f in range(first, end):
                summed = stream[f] + state.skips[tile + r, f]
                state.top[tile + r, f] = np.float32(0) if summed < 0 else summed  # NaN stays NaN
        wide, wide_end = shared.wide[colour], shared.wide[colour + 1]
        look(reads, 0, state.top, places.order, 0, tile, end)
        point(out, state.first, places.order, tile, wide)
        linear(reads, 1, shared.first_w, shared.first_b, wide, wide_end, starts, out, 1)
        look(reads, 0, state.first, places.order, 0, tile, wide_end)
        point(out, state.second, places.order, tile, wide)
        linear(reads, 1, shared.second_w, shared.second_b, wide, wide_end, starts, out, 1)
        if not all_given(work, tile, state.keep):
            look(reads, 0, state.second, places.order, 0, tile, wide_end)
            point(out, state.logits, places.order, tile, shared.outputs[colour])
            linear(
                reads,
                1,
                shared.output_w,
                shared.output_b,
                shared.outputs[colour],
                shared.outputs[colour + 1],
                starts,
                out,
                0,
            )


@njit(nogil=True, cache=KEEP)
def all_given(work, tile, keep):  # type: ignore[no-untyped-def]
    """Is none of four pixels to be drawn?"""
    for r in range(4):  # noqa: SIM110 - numba knows no generator expressions
        if not keep[work[tile + r, 0], work[tile + r, 1], work[tile + r, 2]]:
            return False
    return True


@njit(nogil=True, cache=KEEP)
def draw_colour(colour, real, work, shared, state, places):  # type: ignore[no-untyped-def]
    """Draw one colour of the real pixels, or take what is given; False when a logit is not finite."""
    step = np.float32(2.0 / (shared.values - 1))
    for i in range(real):
        slot, y, x = work[i, 0], work[i, 1], work[i, 2]
        if not state.keep[slot, y, x]:
            logits = state.logits[i, shared.outputs[colour] :]
            value = draw_value(logits, shared.values, state.noise[slot, y, x, colour], state.temperature[slot])
            if value < 0:
                return False
            state.images[slot, colour, y, x] = value
        scaled = np.float32(state.images[slot, colour, y, x]) * step - np.float32(1)
        state.scaled[places.values[i], colour] = scaled
    return True


@njit(nogil=True, cache=KEEP)
def begin_step(slots, first_row, done, lag, work, shared, state, places, ring_rows, stream_kind):  # type: ignore[no-untyped-def]
    """Find the pixels whose turn it is and where they lie; returns how many they are, and how many with the padding."""
    real = collect(slots, first_row, done, lag, work)
    count = fill_up(work, real, len(first_row) - 1)
    locate(work, count, shared, places, ring_rows, stream_kind)
    state.skips[:count] = 0
    return real, count


@njit(nogil=True, cache=KEEP)
def end_colour(colour, real, count, work, shared, state, places, reads, starts, out):  # type: ignore[no-untyped-def]
    """From the last layer's maps to drawn values; False when a logit is not finite."""
    head(colour, count, work, shared, state, places, reads, starts, out)
    return draw_colour(colour, real, work, shared, state, places)


@njit(nogil=True, cache=KEEP)
def new_tables():  # type: ignore[no-untyped-def]
    """reads, starts and places, as every step fills them anew."""
    return np.empty((8, READ), np.int64), np.zeros(4, np.int64), np.zeros(4, np.int64)
