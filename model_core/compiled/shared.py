"""What every network does around its layers when it draws: the input convolution, the 1
x 1 convolutions after a layer, the head.

Before the colours, everything that comes from the pixels to the left and above is
summed for all colours and layers. Then colour by colour: colour c reads, at its own
pixel, the features of the colours up to its own, which are a prefix of the map.

These functions become part of the loop that calls them: a call would copy every address
and length of the arrays. loop.py says what `count`, `colour` and the records `shared`,
`state`, `places` and `layers` are; a stream is the map between two layers.
"""
# pyright: reportCallIssue=false, reportArgumentType=false
# numba passes an intrinsic's first parameter itself

from numba import njit

from model_core.compiled import LEAN
from model_core.compiled.products import (
    address,
    columns,
    everywhere,
    multiply,
    one_colour,
    spot,
    vector_of,
)
from model_core.compiled.records import FIRST, INPUT, OUTPUT, SECOND, SIDE, SKIP, UP
from model_core.compiled.tiles import rectify_sum
from model_core.compiled.vector_code import FLOAT_BYTES


@njit(inline="always")
def of_colour(product, layer, colour, shared):
    """Return the address, in bytes, of the weights of one product, layer and colour.

    product: its number in records.py or in the module of its kind.
    shared: the record of weights (records.Shared).
    """
    return (
        address(shared.by_colour) + shared.begins[product, layer, colour] * FLOAT_BYTES
    )


@njit(inline="always")
def input_from_before(count, shared, state, places):
    """Set the first stream (input of the first layer) of the first `count` pixels of a
    step, all colours, to what the 7 x 7 convolution reads before them: three rows of
    seven cells, then three cells.

    shared, state, places: records of arrays (records.py).
    """
    if shared.categories:
        look_up_before(count, shared, state, places)
        return
    C, ring = shared.channels, shared.width + 2 * SIDE
    out, vectors = spot(state.streams, 0, places.stream, 0, 0), shared.before_w.shape[0]
    bias, start = address(shared.before_b), everywhere(shared.zeros, places.order)
    for up in range(SIDE, -1, -1):
        features = C * (2 * SIDE + 1 if up else SIDE)
        read = spot(state.scaled, 0, places.values, -up * ring - SIDE, 0)
        weights = columns(shared.before_w, 0, 0, (SIDE - up) * (2 * SIDE + 1) * C)
        multiply(count, read, 1, features, weights, vectors, bias, start, out, 0)
        bias, start = address(shared.zeros), out


@njit(**LEAN)
def look_up_before(count, shared, state, places):
    """Do `input_from_before` for categories: each value of a cell has a column of
    weights of its own, and cells outside the image add nothing."""
    ring, features = shared.width + 2 * SIDE, shared.features[-1]
    for m in range(count):
        out = state.streams[0, places.stream[m]]
        for feature in range(features):
            out[feature] = shared.before_b[feature]
        for cell in range(len(shared.before_w)):
            up, across = SIDE - cell // (2 * SIDE + 1), cell % (2 * SIDE + 1) - SIDE
            value = int(state.scaled[places.values[m] - up * ring + across, 0])
            if value:
                column = shared.before_w[cell, value - 1]
                for feature in range(features):
                    out[feature] += column[feature]


@njit(inline="always")
def input_from_own(colour, count, shared, state, places):
    """Add to the first stream what the 7 x 7 convolution, with mask A, reads at the
    pixels themselves: the colours before this one.

    colour, count: one colour of the first `count` pixels of a step.
    shared, state, places: records of arrays (records.py).
    """
    read, out = (
        spot(state.scaled, 0, places.values, 0, 0),
        spot(state.streams, 0, places.stream, 0, 0),
    )
    weights, zeros, vectors = (
        of_colour(INPUT, 0, colour, shared),
        address(shared.zeros),
        shared.feature_vectors,
    )
    one_colour(
        colour,
        shared.features,
        vectors,
        count,
        read,
        colour,
        weights,
        zeros,
        out,
        out,
        0,
    )


@njit(inline="always")
def to_stream(layer, colour, count, hidden, shared, state, places):
    """Compute one colour of the stream after a layer from its hidden features, for the
    first `count` pixels of a step.

    layer: index of the layer.
    hidden: where its features are, a spot (products.spot).
    shared, state, places: records of arrays (records.py).
    """
    start = everywhere(shared.zeros, places.order)
    if shared.residual:
        start = spot(state.streams, layer, places.stream, 0, 0)
    out = spot(state.streams, layer + 1, places.stream, 0, 0)
    weights, bias = of_colour(UP, layer, colour, shared), vector_of(shared.up_b, layer)
    known = shared.hidden[colour + 1]
    one_colour(
        colour,
        shared.features,
        shared.feature_vectors,
        count,
        hidden,
        known,
        weights,
        bias,
        start,
        out,
        0,
    )


@njit(inline="always")
def to_skips(layer, colour, count, hidden, shared, state, places):
    """Add one colour of the skip convolution of a layer's hidden features to the skip
    sums (state.skips) of the first `count` pixels of a step; do nothing for a network
    without skips.

    layer: index of the layer.
    hidden: where its features are, a spot (products.spot).
    shared, state, places: records of arrays (records.py).
    """
    if shared.skip:
        sums, weights = (
            spot(state.skips, 0, places.order, 0, 0),
            of_colour(SKIP, layer, colour, shared),
        )
        known, zeros, bounds = (
            shared.hidden[colour + 1],
            address(shared.zeros),
            shared.features,
        )
        one_colour(
            colour,
            bounds,
            shared.feature_vectors,
            count,
            hidden,
            known,
            weights,
            zeros,
            sums,
            sums,
            0,
        )


@njit(inline="always")
def from_above(layer, count, maps, weights, bias, out, shared, places):
    """Compute out = bias + what a layer reads of the three cells above the first
    `count` pixels of a step, all colours.

    layer: index of the layer.
    maps: (L, ring cells, h), what it reads.
    weights: (L, vectors, inputs, 16).
    bias: (L, width).
    out: where the sums go, a spot (products.spot).
    shared, places: records of arrays (records.py).
    """
    read, start = (
        spot(maps, layer, places.above, 0, 0),
        everywhere(shared.zeros, places.order),
    )
    taps, vectors = columns(weights, layer, 0, 0), weights.shape[1]
    multiply(
        count,
        read,
        3,
        shared.hidden[-1],
        taps,
        vectors,
        vector_of(bias, layer),
        start,
        out,
        0,
    )


@njit(inline="always")
def from_before(
    i, count, summed, maps, left, features, out, shared, state, places, layers
):
    """Compute out = what layer i reads before the first `count` pixels of a step, all
    colours: of the row above in its maps, of the condition, and of the left neighbour.

    summed: True if what it reads of the row above is in layers.above already.
    maps: (L, ring cells, h), the layer's maps.
    left, features: where the left neighbour's features are, a spot (products.spot), and
        how many are read.
    out: where the result goes, a spot.
    shared, state, places, layers: records of arrays (records.py).
    """
    c, vectors, zeros = (
        state.conditions.shape[1],
        layers.beside_w.shape[1],
        address(shared.zeros),
    )
    start = spot(layers.above, i, places.sums, 0, 0)
    if not summed:
        from_above(i, count, maps, layers.above_w, layers.above_b, out, shared, places)
        start = out
    if c:
        read, weights = (
            spot(state.conditions, 0, places.condition, 0, 0),
            columns(layers.beside_w, i, 0, 0),
        )
        multiply(count, read, 1, c, weights, vectors, zeros, start, out, 0)
        start = out
    multiply(
        count,
        left,
        1,
        features,
        columns(layers.beside_w, i, 0, c),
        vectors,
        zeros,
        start,
        out,
        0,
    )


@njit(inline="always")
def rectify_top(colour, count, shared, state, places):
    """Compute one colour of what the head reads, max(last stream + skip sum, 0), into
    state.top.

    colour: index of the colour channel.
    count: number of pixels, the first of `places.wanted`.
    shared, state, places: records of arrays (records.py).
    """
    first, vectors = (
        shared.features[colour],
        shared.feature_vectors[colour + 1] - shared.feature_vectors[colour],
    )
    cells = places.top
    for k in range(count):
        cells[k] = places.stream[places.wanted[k]]
    stream, skips = (
        spot(state.streams, shared.layers, cells, 0, first),
        spot(state.skips, 0, places.wanted, 0, first),
    )
    rectify_sum(
        count, vectors, stream, skips, spot(state.top, 0, places.wanted, 0, first)
    )


@njit(inline="always")
def head(colour, count, shared, state, places):
    """Compute the logits of one colour of the first `count` pixels that need them
    (places.wanted), into state.logits.

    shared, state, places: records of arrays (records.py).
    """
    rectify_top(colour, count, shared, state, places)
    zeros, wide, vectors = (
        everywhere(shared.zeros, places.wanted),
        shared.wide,
        shared.wide_vectors,
    )
    top, one = (
        spot(state.top, 0, places.wanted, 0, 0),
        spot(state.first, 0, places.wanted, 0, 0),
    )
    two, logits = (
        spot(state.second, 0, places.wanted, 0, 0),
        spot(state.logits, 0, places.wanted, 0, 0),
    )
    weights, bias = of_colour(FIRST, 0, colour, shared), address(shared.first_b)
    one_colour(
        colour,
        wide,
        vectors,
        count,
        top,
        shared.features[colour + 1],
        weights,
        bias,
        zeros,
        one,
        1,
    )
    weights, bias = of_colour(SECOND, 0, colour, shared), address(shared.second_b)
    one_colour(
        colour,
        wide,
        vectors,
        count,
        one,
        wide[colour + 1],
        weights,
        bias,
        zeros,
        two,
        1,
    )
    weights, bias, vectors = (
        of_colour(OUTPUT, 0, colour, shared),
        address(shared.output_b),
        shared.output_vectors,
    )
    one_colour(
        colour,
        shared.outputs,
        vectors,
        count,
        two,
        wide[colour + 1],
        weights,
        bias,
        zeros,
        logits,
        0,
    )
