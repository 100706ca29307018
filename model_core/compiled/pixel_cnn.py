"""The PixelCNN's layer (section 3.5) on a list of pixels. Letters as in records.py."""
# pyright: reportCallIssue=false

from typing import NamedTuple

from numba import njit

from model_core.compiled import ENTRY
from model_core.compiled.loop import (
    IN_ORDER,
    begin_ahead,
    begin_given,
    draw_rows,
    no_clock,
    no_row_ends,
    weigh_given,
)
from model_core.compiled.products import (
    address,
    at_column,
    everywhere,
    one_colour,
    spot,
    vector_of,
)
from model_core.compiled.records import OF_LAYER, Floats2, Floats3, Floats4
from model_core.compiled.shared import (
    from_above,
    from_before,
    of_colour,
    to_skips,
    to_stream,
)
from model_core.compiled.tiles import rectify

DOWN, ACROSS = OF_LAYER, OF_LAYER + 1
"""Products that are computed colour by colour: the 1 x 1 convolution, and the 3 x 3 at
the pixel itself."""

STREAMS = IN_ORDER


class Layers(NamedTuple):
    """Weights and state of all layers, for `advance` and `pass_given`; letters as in
    records.py. sampling/compiled/pixel_cnn.py makes the arrays."""

    ring_rows: int
    """R."""
    few: int
    """If at most this many pixels wait, the row above is summed before their turn
    (frontier.collect_above)."""
    maps: Floats3
    """(L, S * R * (W + 2), h): what the 3 x 3 reads, the last rows of each slot."""
    above: Floats3
    """(L, S * R * 3, h): what the 3 x 3 reads of the row above, summed before the
    pixel's turn."""
    rectified: Floats3
    """(L, M, F): the stream after ReLU."""
    sums: Floats3
    """(L, M, h): what the 3 x 3 reads before the pixel, summed."""
    out: Floats3
    """(L, M, h): the layer's features."""
    down_b: Floats2
    above_w: Floats4
    """(L, vectors, inputs, 16): weights of the 3 x 3 for the three cells above."""
    above_b: Floats2
    beside_w: Floats4
    """(L, vectors, inputs, 16): the same for the conditioning map, then for the cell to
    the left."""


@njit(inline="always")
def _from_before(i, count, summed, shared, state, places, layers):
    """Set `sums` to what the 3 x 3 convolution of layer i reads before the pixels, all
    colours."""
    left, out = (
        spot(layers.maps, i, places.own, -1, 0),
        spot(layers.sums, i, places.order, 0, 0),
    )
    from_before(
        i,
        count,
        summed,
        layers.maps,
        left,
        shared.hidden[-1],
        out,
        shared,
        state,
        places,
        layers,
    )


@njit(inline="always")
def _down(i, colour, count, shared, state, places, layers):
    """Compute ReLU, 1 x 1 and ReLU of one colour: from the stream to what the 3 x 3
    reads."""
    first, vectors = (
        shared.features[colour],
        shared.feature_vectors[colour + 1] - shared.feature_vectors[colour],
    )
    stream, rectified = (
        spot(state.streams, i, places.stream, 0, 0),
        spot(layers.rectified, i, places.order, 0, 0),
    )
    rectify(count, vectors, at_column(stream, first), at_column(rectified, first))
    weights, bias = of_colour(DOWN, i, colour, shared), vector_of(layers.down_b, i)
    known, out = shared.features[colour + 1], spot(layers.maps, i, places.own, 0, 0)
    zeros = everywhere(shared.zeros, places.order)
    one_colour(
        colour,
        shared.hidden,
        shared.hidden_vectors,
        count,
        rectified,
        known,
        weights,
        bias,
        zeros,
        out,
        1,
    )


@njit(inline="always")
def _spread(i, colour, count, shared, state, places, layers):
    """Compute 3 x 3 and ReLU of one colour; what lies before the pixel is summed
    already."""
    read, sums = (
        spot(layers.maps, i, places.own, 0, 0),
        spot(layers.sums, i, places.order, 0, 0),
    )
    weights, zeros, known = (
        of_colour(ACROSS, i, colour, shared),
        address(shared.zeros),
        shared.hidden[colour + 1],
    )
    out = spot(layers.out, i, places.order, 0, 0)
    one_colour(
        colour,
        shared.hidden,
        shared.hidden_vectors,
        count,
        read,
        known,
        weights,
        zeros,
        sums,
        out,
        1,
    )


@njit(inline="always")
def ahead(slots, front, shared, state, places, layers):
    """Sum what pixels whose turn comes soon read of the row above, into layers.above.
    It is `ahead` of loop.draw_rows, which describes the arguments."""
    count = begin_ahead(slots, front, shared, state, places, layers, STREAMS)
    if count:
        for i in range(shared.layers):
            above = spot(layers.above, i, places.sums, 0, 0)
            from_above(
                i,
                count,
                layers.maps,
                layers.above_w,
                layers.above_b,
                above,
                shared,
                places,
            )


@njit(inline="always")
def before(real, count, front, shared, state, places, layers):
    """Sum what the 3 x 3 convolutions read before the pixels of a step, for all layers
    and colours, into layers.sums. It is `before` of loop.draw_rows, which describes the
    arguments."""
    for i in range(shared.layers):
        _from_before(i, count, real <= layers.few, shared, state, places, layers)


@njit(inline="always")
def layer(i, colour, count, shared, state, places, layers):
    """Compute one colour of layer i at the first `count` pixels of the step, into
    layers.out. Return where its features are, a spot (products.spot). It is `layer` of
    loop.draw_rows."""
    _down(i, colour, count, shared, state, places, layers)
    _spread(i, colour, count, shared, state, places, layers)
    return spot(layers.out, i, places.order, 0, 0)


end_rows = no_row_ends


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
    given, as far as the rows below read it, and add up ln p of its weighed pixels in
    state.log_p. Return False if a logit of theirs is not finite. The records are
    changed; the caller counts the rows as done."""
    for k in range(len(slots)):
        one, W, ring_rows = slots[k : k + 1], shared.width, layers.ring_rows
        count, wanted = begin_given(
            one, 0, W, front, shared, state, places, ring_rows, STREAMS
        )
        for i in range(shared.layers):
            for colour in range(shared.channels):
                _down(i, colour, count, shared, state, places, layers)
            if i < shared.layers - 1 or wanted:
                _from_before(i, count, False, shared, state, places, layers)
                for colour in range(shared.channels):
                    _spread(i, colour, count, shared, state, places, layers)
                    hidden = spot(layers.out, i, places.order, 0, 0)
                    to_stream(i, colour, count, hidden, shared, state, places)
                    if wanted:
                        to_skips(i, colour, count, hidden, shared, state, places)
        if not weigh_given(count, wanted, front.work, shared, state, places):
            return False
    return True
