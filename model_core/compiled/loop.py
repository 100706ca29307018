"""Drawing pixel by pixel in compiled code: what every network shares. All functions are numba's.

A work list is `work` (M, 3) int64, M = 1 or a multiple of 4: slot, y, x of each pixel. Maps are flat, (cells, width)
float32; where a pixel's features lie is an array of M cells. Before the colours, everything that the pixels left and
above say is summed for all colours and layers. Then colour by colour: colour c reads, at its own pixel, the features of
the colours up to its own, which are a prefix of the map.

Each network's file has the loop that calls these, `advance`; written out, because numba keeps no closures on disk.
What it calls for every layer becomes part of it: a call would copy every address and length of the arrays it is given.
"""
# pyright: reportCallIssue=false, reportArgumentType=false
# numba passes an intrinsic's first parameter itself

import math
from collections import namedtuple

import numpy as np
from numba import njit

from model_core.compiled import LEAN
from model_core.compiled.frontier import COLUMNS_AHEAD, collect, collect_above, fill_up
from model_core.compiled.products import BYTES, LANES, address, columns, everywhere, multiply, one_colour, row, spot
from model_core.compiled.tiles import exponentials, rectify_sum

SIDE = 3
"""The 7 x 7 kernel reaches three pixels to each side and three rows up."""

Shared = namedtuple(
    "Shared",
    "channels values height width layers residual skip "
    "features hidden gates wide outputs feature_vectors hidden_vectors gate_vectors wide_vectors output_vectors zeros "
    "before_w before_b up_b skip_b first_b second_b output_b by_colour begins",
)
"""The weights that all networks have, and their sizes.

features, hidden, gates, wide, outputs: where the colours of a map begin; and, in weights with such outputs, vectors.
before: of the input convolution, for the pixels before. skip_b: the sum over all layers.
by_colour: all weights that are applied colour by colour, in the order in which a step reads them; begins (PARTS,
layers, colours): where, for each product below or of a network's own. What has no layer counts as of layer 0.
"""

INPUT, UP, SKIP, FIRST, SECOND, OUTPUT = range(6)
"""Products of one colour: the input convolution at the pixel itself, from a layer to the next stream and to the skip
sum, and the head's."""
OWN = 6
"""The first of those that each network has beside."""
PARTS = OWN + 4

State = namedtuple(
    "State",
    "images keep noise temperature scaled conditions summed "  # (slots + 1, ...): what is drawn, from what
    "streams skips top first second logits weights",  # maps of the pixels of one step
)
"""What changes while images are drawn. summed: of how many columns of a row what lies above is (collect_above)."""

Places = namedtuple("Places", "order stream values condition own above sums wanted top")
"""Where the pixels of a work list lie: in their order, and as cells of each map. above: the cell up and to the left.

sums: of what is summed of the row above, a few columns of each row of the ring.

wanted: the pixels, by their order, that are to be drawn; top: the cells of their streams.
"""


@njit(**LEAN)
def draw_value(logits, values, noise, temperature, weights):  # type: ignore[no-untyped-def]
    """The smallest value whose cumulative probability exceeds the noise; -1 when a logit is not finite."""
    top = logits[0]
    finite = True
    for v in range(values):
        finite &= math.isfinite(logits[v])
        top = max(top, logits[v])
    if not finite:
        return -1
    for v in range(values):
        weights[v] = np.float32((np.float64(logits[v]) - np.float64(top)) / temperature)
    at = everywhere(weights, weights)  # one pixel, whatever its cell
    exponentials(1, len(weights) // LANES, at, at)
    total = 0.0
    for v in range(values):
        total += np.float64(weights[v])
    reached = 0.0
    for v in range(values):
        reached += np.float64(weights[v])
        if reached > noise * total:
            return v
    return values - 1


@njit(inline="always")
def locate(work, count, shared, places, ring_rows, stream_kind, slots):  # type: ignore[no-untyped-def]
    """Fill the cells of a work list. stream_kind: 0 streams lie in its order, 1 in the ring, 2 by (x, slot)."""
    H, W = shared.height, shared.width
    ring = W + 2
    for i in range(count):
        slot, y, x = work[i, 0], work[i, 1], work[i, 2]
        places.order[i] = i
        places.values[i] = (slot * (H + SIDE) + y + SIDE) * (W + 2 * SIDE) + x + SIDE
        places.condition[i] = (slot * H + y) * W + x
        places.own[i] = (slot * ring_rows + y % ring_rows) * ring + x + 1
        places.above[i] = (slot * ring_rows + (y - 1) % ring_rows) * ring + x
        places.sums[i] = (slot * ring_rows + y % ring_rows) * COLUMNS_AHEAD + x % COLUMNS_AHEAD
        places.stream[i] = i if stream_kind == 0 else places.own[i] if stream_kind == 1 else x * slots + slot


@njit(inline="always")
def want(work, real, keep, wanted):  # type: ignore[no-untyped-def]
    """List the pixels that are to be drawn; returns how many, filled up to 1 or a multiple of 4."""
    count = 0
    for i in range(real):
        if not keep[work[i, 0], work[i, 1], work[i, 2]]:
            wanted[count] = i
            count += 1
    while count > 1 and count % 4:
        wanted[count] = wanted[0]  # computed twice, with the same result
        count += 1
    return count


@njit(inline="always")
def of_colour(part, layer, colour, shared):  # type: ignore[no-untyped-def]
    """The address of the weights of one colour's product."""
    return address(shared.by_colour) + shared.begins[part, layer, colour] * BYTES


@njit(inline="always")
def input_from_before(count, shared, state, places):  # type: ignore[no-untyped-def]
    """What the 7 x 7 convolution reads before the pixel, all colours: three rows of seven cells, then three."""
    C, ring = shared.channels, shared.width + 2 * SIDE
    out, vectors = spot(state.streams, 0, places.stream, 0, 0), shared.before_w.shape[0]
    bias, start = address(shared.before_b), everywhere(shared.zeros, places.order)
    for up in range(SIDE, -1, -1):
        features = C * (2 * SIDE + 1 if up else SIDE)
        read = spot(state.scaled, 0, places.values, -up * ring - SIDE, 0)
        weights = columns(shared.before_w, 0, 0, (SIDE - up) * (2 * SIDE + 1) * C)
        multiply(count, read, 1, features, weights, vectors, bias, start, out, 0)
        bias, start = address(shared.zeros), out


@njit(inline="always")
def input_from_own(colour, count, shared, state, places):  # type: ignore[no-untyped-def]
    """What the 7 x 7 convolution, mask A, reads at the pixel itself: the colours before this one."""
    read, out = spot(state.scaled, 0, places.values, 0, 0), spot(state.streams, 0, places.stream, 0, 0)
    weights, zeros, vectors = of_colour(INPUT, 0, colour, shared), address(shared.zeros), shared.feature_vectors
    one_colour(colour, shared.features, vectors, count, read, colour, weights, zeros, out, out, 0)


@njit(inline="always")
def to_stream(layer, colour, count, hidden, shared, state, places):  # type: ignore[no-untyped-def]
    """From a layer's hidden features, at the spot `hidden`, to the next stream, of one colour."""
    start = everywhere(shared.zeros, places.order)
    if shared.residual:
        start = spot(state.streams, layer, places.stream, 0, 0)
    out = spot(state.streams, layer + 1, places.stream, 0, 0)
    weights, bias, known = of_colour(UP, layer, colour, shared), row(shared.up_b, layer), shared.hidden[colour + 1]
    one_colour(colour, shared.features, shared.feature_vectors, count, hidden, known, weights, bias, start, out, 0)


@njit(inline="always")
def to_skips(layer, colour, count, hidden, shared, state, places):  # type: ignore[no-untyped-def]
    """From a layer's hidden features, at the spot `hidden`, to the skip sum, of one colour."""
    if shared.skip:
        sums, weights = spot(state.skips, 0, places.order, 0, 0), of_colour(SKIP, layer, colour, shared)
        known, zeros, bounds = shared.hidden[colour + 1], address(shared.zeros), shared.features
        one_colour(colour, bounds, shared.feature_vectors, count, hidden, known, weights, zeros, sums, sums, 0)


@njit(inline="always")
def rectify_top(colour, count, shared, state, places):  # type: ignore[no-untyped-def]
    """One colour of what the head reads: max(the last stream + the skip sum, 0) of the pixels that are wanted."""
    first, vectors = shared.features[colour], shared.feature_vectors[colour + 1] - shared.feature_vectors[colour]
    cells = places.top
    for k in range(count):
        cells[k] = places.stream[places.wanted[k]]
    stream, skips = spot(state.streams, shared.layers, cells, 0, first), spot(state.skips, 0, places.wanted, 0, first)
    rectify_sum(count, vectors, stream, skips, spot(state.top, 0, places.wanted, 0, first))


@njit(inline="always")
def head(colour, count, shared, state, places):  # type: ignore[no-untyped-def]
    """Logits of one colour of the first `count` pixels that are wanted."""
    rectify_top(colour, count, shared, state, places)
    zeros, wide, vectors = everywhere(shared.zeros, places.wanted), shared.wide, shared.wide_vectors
    top, one = spot(state.top, 0, places.wanted, 0, 0), spot(state.first, 0, places.wanted, 0, 0)
    two, logits = spot(state.second, 0, places.wanted, 0, 0), spot(state.logits, 0, places.wanted, 0, 0)
    weights, bias = of_colour(FIRST, 0, colour, shared), address(shared.first_b)
    one_colour(colour, wide, vectors, count, top, shared.features[colour + 1], weights, bias, zeros, one, 1)
    weights, bias = of_colour(SECOND, 0, colour, shared), address(shared.second_b)
    one_colour(colour, wide, vectors, count, one, wide[colour + 1], weights, bias, zeros, two, 1)
    weights, bias, vectors = of_colour(OUTPUT, 0, colour, shared), address(shared.output_b), shared.output_vectors
    one_colour(colour, shared.outputs, vectors, count, two, wide[colour + 1], weights, bias, zeros, logits, 0)


@njit(**LEAN)
def draw_colour(colour, real, work, shared, state, places):  # type: ignore[no-untyped-def]
    """Draw one colour of the real pixels, or take what is given; False when a logit is not finite."""
    step = np.float32(2.0 / (shared.values - 1))
    for i in range(real):
        slot, y, x = work[i, 0], work[i, 1], work[i, 2]
        if not state.keep[slot, y, x]:
            logits, noise = state.logits[i, shared.outputs[colour] :], state.noise[slot, y, x, colour]
            value = draw_value(logits, shared.values, noise, state.temperature[slot], state.weights)
            if value < 0:
                return False
            state.images[slot, colour, y, x] = value
        scaled = np.float32(state.images[slot, colour, y, x]) * step - np.float32(1)
        state.scaled[places.values[i], colour] = scaled
    return True


@njit(inline="always")
def begin_step(slots, first_row, done, lag, work, shared, state, places, ring_rows, stream_kind):  # type: ignore[no-untyped-def]
    """Find the pixels whose turn it is and where they lie, and begin their streams.

    Returns how many they are, how many with the padding, and how many are wanted, with padding.
    """
    real = collect(slots, first_row, done, lag, work)
    count = fill_up(work, real, len(first_row) - 1)
    locate(work, count, shared, places, ring_rows, stream_kind, len(state.temperature))
    for m in range(count):
        for feature in range(len(shared.skip_b)):  # numba compiles a long message into an assignment of slices
            state.skips[m, feature] = shared.skip_b[feature]
    input_from_before(count, shared, state, places)
    return real, count, want(work, real, state.keep, places.wanted)


@njit(inline="always")
def begin_above(slots, first_row, done, lag, work, shared, state, places, few, ring_rows, stream_kind):  # type: ignore[no-untyped-def]
    """Find the pixels for which the row above is to be summed now; returns how many with the padding."""
    real = collect_above(slots, first_row, done, lag, state.summed, few, work)
    count = fill_up(work, real, len(first_row) - 1)
    locate(work, count, shared, places, ring_rows, stream_kind, len(state.temperature))
    return count


@njit(inline="always")
def from_above(layer, count, maps, weights, bias, out, shared, places):  # type: ignore[no-untyped-def]
    """out = bias + what a layer reads of the three cells above in its maps (L, ring cells, h), all colours."""
    read, start = spot(maps, layer, places.above, 0, 0), everywhere(shared.zeros, places.order)
    taps, vectors = columns(weights, layer, 0, 0), weights.shape[1]
    multiply(count, read, 3, shared.hidden[-1], taps, vectors, row(bias, layer), start, out, 0)


@njit(inline="always")
def end_colour(colour, real, wanted, work, shared, state, places):  # type: ignore[no-untyped-def]
    """From the last layer's maps to drawn values; False when a logit is not finite."""
    if wanted:
        head(colour, wanted, shared, state, places)
    return draw_colour(colour, real, work, shared, state, places)


@njit(**LEAN)
def begin_given(slot, y, work, shared, state, places, ring_rows, stream_kind):  # type: ignore[no-untyped-def]
    """List the pixels of a row that is given whole, and begin their streams; returns how many with the padding."""
    for x in range(shared.width):
        work[x, 0], work[x, 1], work[x, 2] = slot, y, x
    count = fill_up(work, shared.width, len(state.temperature) - 1)
    locate(work, count, shared, places, ring_rows, stream_kind, len(state.temperature))
    for colour in range(shared.channels):
        draw_colour(colour, shared.width, work, shared, state, places)
    input_from_before(count, shared, state, places)
    for colour in range(1, shared.channels):
        input_from_own(colour, count, shared, state, places)
    return count
