"""Drawing pixel by pixel in compiled code: the loop, which is the same for every
network. All functions are numba's.

Arguments of the same name mean the same everywhere in the loop and in the modules of
the kinds:

slots      int64 (n,), the slots (places of images) that are drawn
front, shared, state, places, layers
           the records of arrays (records.py); `layers` is the kind's own
work       front.work, the list of pixels of a step: (slot, y, x) of each
real       number of pixels in the list
count      the same with the padding: 1 or a multiple of 4
wanted     number of pixels that need logits, padded in the same way
i, colour  index of a layer, and of a colour
streams    IN_ORDER, IN_RING or BY_COLUMN

Maps are flat, (cells, width) float32; records.Places says for each pixel which cell of
each map is its own. The streams are the maps between the layers.

The module of a kind of network gives its layer to `draw_rows` as functions. They become
part of the loop, and numba keeps the result on disk as that module's `advance`.
"""

import math

import numpy as np
from numba import njit

from model_core.compiled import LEAN
from model_core.compiled.categorical import draw_value, exponentiate, log_p_of_value
from model_core.compiled.frontier import (
    COLUMNS_AHEAD,
    collect,
    collect_above,
    fill_up,
    move_on,
)
from model_core.compiled.range_coder import decode_value, encode_value
from model_core.compiled.records import SIDE
from model_core.compiled.shared import (
    head,
    input_from_before,
    input_from_own,
    to_skips,
    to_stream,
)

IN_ORDER, IN_RING, BY_COLUMN = range(3)
"""Where the cells of a pixel's streams (the maps between the layers) are: in the order
of the list, in a ring of rows of its slot, or by column and slot."""

PARTS = (
    "work list, 7 x 7 convolution",
    "layers: pixels before, all colours at once",
    "layers: the pixel itself, colour by colour",
    "skip sums",
    "head, drawing a value",
    "right-to-left scans of finished rows",
)
"""The parts of a step, of which a clock is told when they end."""
BEGIN, BEFORE, PIXEL, SKIPS, VALUES, ROWS = range(len(PARTS))
"""The parts of a step, in their order. A clock is called when each ends."""


@njit(inline="always")
def draw_rows(
    ahead,
    before,
    layer,
    end_rows,
    streams,
    lap,
    clock,
    slots,
    front,
    shared,
    state,
    places,
    layers,
):
    """Draw until at least one row is complete, until no image may go on, or until
    front.steps steps are done. Return the number of complete rows, which are listed in
    front.finished, or -1 if a logit is not finite.

    The first four arguments are functions of a kind of network. `real` is the number of
    pixels of a step, `count` the same padded to 1 or a multiple of 4, and a spot says
    where features are (products.spot).

    ahead: ahead(slots, front, shared, state, places, layers) sums what pixels whose
        turn comes soon read of the row above.
    before: before(real, count, front, shared, state, places, layers) sums, for all
        layers and colours, what the pixels of the list read of the pixels before them.
    layer: layer(i, colour, count, shared, state, places, layers) computes one colour of
        layer i; returns the spot of its features.
    end_rows: end_rows(rows, front, shared, state, layers) does what waits until a row
        is complete, for the first `rows` rows of front.finished.
    streams: where the cells of the maps between the layers are: IN_ORDER, IN_RING or
        BY_COLUMN.
    lap, clock: lap(part, clock) is called when a part of a step (BEGIN to ROWS) is
        done, for timing.
    slots: int64 (n,), the slots that are drawn.
    front, shared, state, places, layers: records of arrays (records.py); all but
        `shared` are changed.
    """
    for _ in range(front.steps):
        ahead(slots, front, shared, state, places, layers)
        lap(BEFORE, clock)
        real, count, wanted = begin_step(
            slots, front, shared, state, places, layers, streams
        )
        lap(BEGIN, clock)
        if not real:
            return 0
        before(real, count, front, shared, state, places, layers)
        lap(BEFORE, clock)
        for colour in range(shared.channels):
            input_from_own(colour, count, shared, state, places)
            for i in range(shared.layers):
                hidden = layer(i, colour, count, shared, state, places, layers)
                to_stream(i, colour, count, hidden, shared, state, places)
                lap(PIXEL, clock)
                to_skips(i, colour, count, hidden, shared, state, places)
                lap(SKIPS, clock)
            if wanted:
                head(colour, wanted, shared, state, places)
            if not settle_colour(colour, real, front.work, shared, state, places):
                return -1
            lap(VALUES, clock)
        rows = move_on(front.work, real, front.done, front.first_row, front.finished)
        if rows:
            end_rows(rows, front, shared, state, layers)
            lap(ROWS, clock)
            return rows
    return 0


@njit(inline="always")
def no_clock(part, clock):
    """Do nothing: a `lap` for steps that are not timed."""


@njit(inline="always")
def nothing_ahead(slots, front, shared, state, places, layers):
    """Do nothing: an `ahead` for layers that sum what they read of the row above in
    another way."""


@njit(inline="always")
def no_row_ends(rows, front, shared, state, layers):
    """Do nothing: an `end_rows` for layers that do not need it."""


@njit(inline="always")
def begin_step(slots, front, shared, state, places, layers, streams):
    """List the pixels whose turn it is in front.work, find their cells, and begin their
    streams, the inputs of the first layer. Return three numbers: of these pixels; of
    the same padded to 1 or a multiple of 4; and of the pixels that need logits, padded
    in the same way.

    slots: int64 (n,), the slots that are drawn.
    front, shared, state, places, layers: records of arrays (records.py); front.work,
        `places` and the streams of `state` are changed.
    streams: where the cells of streams are: IN_ORDER, IN_RING or BY_COLUMN.
    """
    work = front.work
    real = collect(slots, front.first_row, front.done, front.stop, front.lag, work)
    count = fill_up(work, real, len(front.first_row) - 1)
    locate(
        work, count, shared, places, layers.ring_rows, streams, len(state.temperature)
    )
    begin_skips(count, shared, state)
    input_from_before(count, shared, state, places)
    return (
        real,
        count,
        list_wanted(work, real, state.keep, state.weighed, places.wanted),
    )


@njit(inline="always")
def begin_skips(count, shared, state):
    """Set the skip sums of the first `count` pixels of a step (state.skips) to the
    biases."""
    for m in range(count):
        # Not an assignment of slices, with which numba compiles a long error message.
        for feature in range(len(shared.skip_b)):
            state.skips[m, feature] = shared.skip_b[feature]


@njit(inline="always")
def begin_ahead(slots, front, shared, state, places, layers, streams):
    """List in front.work the pixels for which the row above is to be summed now, find
    their cells in `places`, and return their number with the padding. Arguments as for
    `begin_step`."""
    work = front.work
    front_of = front.first_row, front.done, front.stop, front.lag
    real = collect_above(slots, *front_of, state.summed, layers.few, work)
    count = fill_up(work, real, len(front.first_row) - 1)
    locate(
        work, count, shared, places, layers.ring_rows, streams, len(state.temperature)
    )
    return count


@njit(**LEAN)
def begin_given(slots, first, end, front, shared, state, places, ring_rows, streams):
    """Prepare the next row of each slot, whose pixels are all given, in columns
    first..end-1: list these pixels in front.work, column by column, and compute the
    inputs of the first layer. If there are several slots, fill each column up to a
    multiple of 4 with pixels of the scratch slot.

    Return (length of the list, number of its pixels that are weighed and so need
    logits). The second is filled up too, to 1 or a multiple of 4.

    ring_rows: rows that a layer keeps of each slot. The other arguments are those of
        `begin_step`.
    """
    work, count, scratch = front.work, 0, len(state.temperature) - 1
    for x in range(first, end):
        for slot in slots:
            work[count, 0], work[count, 1], work[count, 2] = (
                slot,
                front.first_row[slot],
                x,
            )
            count += 1
        if len(slots) > 1:
            count = fill_up(work, count, scratch)
    count = fill_up(work, count, scratch)
    locate(work, count, shared, places, ring_rows, streams, len(state.temperature))
    for m in range(count):
        slot, y, x = work[m, 0], work[m, 1], work[m, 2]
        for colour in range(shared.channels if slot < scratch else 0):
            _show(
                places.values[m],
                colour,
                state.images[slot, colour, y, x],
                shared,
                state,
            )
    begin_skips(count, shared, state)
    input_from_before(count, shared, state, places)
    for colour in range(1, shared.channels):
        input_from_own(colour, count, shared, state, places)
    return count, list_wanted(work, count, state.keep, state.weighed, places.wanted)


@njit(inline="always")
def weigh_given(count, wanted, work, shared, state, places):
    """Add ln p of the weighed pixels of rows that are given whole to state.log_p, once
    all layers are computed. Return False if a logit is not finite.

    count, wanted: what `begin_given` returned.
    work: front.work.
    shared, state, places: records of arrays (records.py).
    """
    for colour in range(shared.channels):
        head(colour, wanted, shared, state, places)
    for m in range(count):
        slot, y, x = work[m, 0], work[m, 1], work[m, 2]
        for colour in range(shared.channels):
            if (
                state.weighed[slot, y, x]
                and settle_value(m, slot, y, x, colour, shared, state) < 0
            ):
                return False
    return True


@njit(inline="always")
def locate(work, count, shared, places, ring_rows, streams, slots):
    """Fill the record `places` with the cells of the first `count` pixels of a list.

    work: (slot, y, x) of each pixel.
    shared: the record of sizes.
    ring_rows: rows that a layer keeps of each slot.
    slots: number of slots, the scratch slot included.
    streams: where the cells of streams are: IN_ORDER, IN_RING or BY_COLUMN.
    """
    H, W = shared.height, shared.width
    ring = W + 2
    for i in range(count):
        slot, y, x = work[i, 0], work[i, 1], work[i, 2]
        places.order[i] = i
        places.values[i] = (slot * (H + SIDE) + y + SIDE) * (W + 2 * SIDE) + x + SIDE
        places.condition[i] = (slot * H + y) * W + x
        places.own[i] = (slot * ring_rows + y % ring_rows) * ring + x + 1
        places.above[i] = (slot * ring_rows + (y - 1) % ring_rows) * ring + x
        places.sums[i] = (
            slot * ring_rows + y % ring_rows
        ) * COLUMNS_AHEAD + x % COLUMNS_AHEAD
        places.stream[i] = (
            i
            if streams == IN_ORDER
            else places.own[i]
            if streams == IN_RING
            else x * slots + slot
        )


@njit(inline="always")
def list_wanted(work, real, keep, weighed, wanted):
    """Fill `wanted` with the indices of the pixels of a list that need logits: those
    that are drawn or weighed. Return their number, padded to 1 or a multiple of 4 by
    repeating the first.

    work, real: (slot, y, x) of each pixel, and the number of pixels.
    keep, weighed: bool (slots, H, W): where values are given, and whose ln p is added
        up.
    """
    count = 0
    for i in range(real):
        slot, y, x = work[i, 0], work[i, 1], work[i, 2]
        if weighed[slot, y, x] or not keep[slot, y, x]:
            wanted[count] = i
            count += 1
    while count > 1 and count % 4:
        wanted[count] = wanted[0]  # computed twice, with the same result
        count += 1
    return count


@njit(**LEAN)
def settle_colour(colour, real, work, shared, state, places):
    """Decide the values of one colour of the first `real` pixels of the list `work`, as
    `settle_value` does, and store them for the pixels and colours after them. Return
    False if a logit is not finite."""
    for i in range(real):
        slot, y, x = work[i, 0], work[i, 1], work[i, 2]
        value = settle_value(i, slot, y, x, colour, shared, state)
        if value < 0:
            return False
        state.images[slot, colour, y, x] = value
        _show(places.values[i], colour, value, shared, state)
    return True


@njit(inline="always")
def _show(cell, colour, value, shared, state):
    """Store a value for the pixels and colours after it: scaled to -1..1, or a
    category's number, from 1 on."""
    if shared.categories:
        state.scaled[cell, colour] = np.float32(value + 1)
        return
    step = np.float32(2.0 / (shared.values - 1))
    state.scaled[cell, colour] = np.float32(value) * step - np.float32(1)


@njit(inline="always")
def settle_value(i, slot, y, x, colour, shared, state):
    """Return the value of one colour of pixel number i of the step, at row y, column x
    of a slot; -1 if one of its logits is not finite.

    The value is given, or drawn from the logits; its ln p is added to state.log_p if
    the pixel is weighed. In a slot with a range coder, a given value that is weighed is
    encoded, and a value that is not given is decoded.

    shared, state: records of arrays (records.py).
    """
    logits, temperature = (
        state.logits[i, shared.outputs[colour] :],
        state.temperature[slot],
    )
    value = state.images[slot, colour, y, x]
    if state.keep[slot, y, x] and not state.weighed[slot, y, x]:
        return value
    if state.coded[slot]:
        return code_value(logits, value, state.keep[slot, y, x], slot, shared, state)
    if not state.keep[slot, y, x]:
        value = draw_value(
            logits,
            shared.values,
            state.noise[slot, y, x, colour],
            temperature,
            state.weights,
        )
        if value < 0 or not state.weighed[slot, y, x]:
            return value
    log_p = log_p_of_value(logits, shared.values, value, temperature, state.weights)
    if math.isnan(log_p):
        return -1
    state.log_p[slot, y] += log_p
    return value


@njit(inline="always")
def code_value(logits, value, given, slot, shared, state):
    """Encode `value` if `given` is true, else decode one, with the range coder of a
    slot. Return it, or -1 if a logit is not finite.

    logits: float32 (V,).
    shared, state: records of arrays (records.py).
    """
    values, weights = shared.values, state.weights
    _, total = exponentiate(logits, values, state.temperature[slot], weights)
    if math.isnan(total):
        return -1
    if not given:
        return decode_value(
            weights, total, values, state.coders[slot], state.codes[slot]
        )
    encode_value(value, weights, total, values, state.coders[slot], state.codes[slot])
    return value
