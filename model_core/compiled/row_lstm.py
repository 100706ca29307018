"""The Row LSTM's layer (section 3.1) on a list of pixels. Letters as in records.py."""
# pyright: reportCallIssue=false

from typing import NamedTuple

from numba import njit

from model_core.compiled import ENTRY
from model_core.compiled.loop import (
    IN_RING,
    begin_ahead,
    begin_given,
    draw_rows,
    no_clock,
    no_row_ends,
    weigh_given,
)
from model_core.compiled.products import spot
from model_core.compiled.records import OF_LAYER, Floats2, Floats3, Floats4
from model_core.compiled.recurrence import add_input, continue_cells
from model_core.compiled.shared import (
    from_above,
    from_before,
    of_colour,
    to_skips,
    to_stream,
)

INPUT_TO_GATES = OF_LAYER
"""A product that is computed colour by colour: from the pixel's input to the gates."""

STREAMS = IN_RING
"""A layer also reads the stream of the left neighbour."""


class Layers(NamedTuple):
    """Weights and state of all layers, for `advance` and `pass_given`; letters as in
    records.py. sampling/compiled/row_lstm.py makes the arrays."""

    ring_rows: int
    """R."""
    few: int
    """If at most this many pixels wait, the row above is summed before their turn
    (frontier.collect_above)."""
    hidden: Floats3
    """(L, S * R * (W + 2), h): hidden states, the last rows of each slot."""
    cell: Floats3
    """(L, S * R * (W + 2), h): cell states, the last rows of each slot."""
    above: Floats3
    """(L, S * R * 3, G): what the gates read of the row above, summed before the
    pixel's turn."""
    gates: Floats3
    """(L, M, G): sums of the gates."""
    above_w: Floats4
    """(L, vectors, inputs, 16): weights for the three states above."""
    above_b: Floats2
    beside_w: Floats4
    """The same for the condition, then for the left neighbour's input."""


@njit(inline="always")
def _from_before(i, count, summed, shared, state, places, layers):
    """Sum, for all colours, the part of layer i's gates that comes from the pixels
    before."""
    left, out = (
        spot(state.streams, i, places.stream, -1, 0),
        spot(layers.gates, i, places.order, 0, 0),
    )
    from_before(
        i,
        count,
        summed,
        layers.hidden,
        left,
        shared.features[-1],
        out,
        shared,
        state,
        places,
        layers,
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
                layers.hidden,
                layers.above_w,
                layers.above_b,
                above,
                shared,
                places,
            )


@njit(inline="always")
def before(real, count, front, shared, state, places, layers):
    """Sum what the gates read of the pixels before those of a step, for all layers and
    colours, into layers.gates. It is `before` of loop.draw_rows, which describes the
    arguments."""
    for i in range(shared.layers):
        _from_before(i, count, real <= layers.few, shared, state, places, layers)


@njit(inline="always")
def layer(i, colour, count, shared, state, places, layers):
    """Compute one colour of layer i at the first `count` pixels of the step, whose
    gates contain the sums over the pixels before, into layers.cell and layers.hidden.
    Return where its hidden states are, a spot (products.spot). It is `layer` of
    loop.draw_rows."""
    gates, stream = (
        spot(layers.gates, i, places.order, 0, 0),
        spot(state.streams, i, places.stream, 0, 0),
    )
    add_input(
        colour,
        count,
        stream,
        of_colour(INPUT_TO_GATES, i, colour, shared),
        gates,
        gates,
        shared,
    )
    above = spot(
        layers.cell, i, places.above, 1, 0
    )  # one cell on from up and left: straight up
    cell, hidden = (
        spot(layers.cell, i, places.own, 0, 0),
        spot(layers.hidden, i, places.own, 0, 0),
    )
    continue_cells(colour, count, gates, above, cell, hidden, shared)
    return hidden


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
            _from_before(i, count, False, shared, state, places, layers)
            for colour in range(shared.channels):
                hidden = layer(i, colour, count, shared, state, places, layers)
                to_stream(i, colour, count, hidden, shared, state, places)
                if wanted:
                    to_skips(i, colour, count, hidden, shared, state, places)
        if not weigh_given(count, wanted, front.work, shared, state, places):
            return False
    return True
