"""Drawing pixel by pixel in compiled code: the loop, which is the same for every network. All functions are numba's.

A work list is `front.work`, M = 1 or a multiple of 4 pixels. Maps are flat, (cells, width) float32; where a pixel's
features lie in each is an array of M cells (records.Places).

A network's file hands its layer to `draw_rows` as functions; they become part of the loop, and numba keeps the result
on disk under the network's own `advance`.
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
"""Places of a pixel's streams: in the order of the work list, in the ring, or by column and slot."""

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
    """Draw until at least one row is complete, no image may go on, or front.steps are done; returns how many rows are
    complete, or -1 when a logit is not finite.

    ahead(slots, front, shared, state, places, layers): sum what pixels whose turn comes soon read of the row above.
    before(real, count, front, shared, state, places, layers): sum, for all layers and colours, what the pixels of the
        work list read of the pixels before them.
    layer(i, colour, count, shared, state, places, layers): compute one colour of layer i; returns its features' spot.
    end_rows(rows, front, shared, state, layers): do what waits until a row is drawn to its end.
    streams: where streams lie. lap(part, clock): a part of the step is done.
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
    """Nobody asks how long a part takes."""


@njit(inline="always")
def nothing_ahead(slots, front, shared, state, places, layers):
    """Stands for no work ahead: such layers sum what they read of the row above in another way."""


@njit(inline="always")
def no_row_ends(rows, front, shared, state, layers):
    """Stands for no work at the end of a row."""


@njit(inline="always")
def begin_step(slots, front, shared, state, places, layers, streams):
    """Find the pixels whose turn it is and where they lie, and begin their streams.

    Returns how many they are, how many with the padding, and how many need logits, with padding.
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
    """Begin the skip sums of `count` pixels."""
    for m in range(count):
        for feature in range(
            len(shared.skip_b)
        ):  # numba compiles a long message into an assignment of slices
            state.skips[m, feature] = shared.skip_b[feature]


@njit(inline="always")
def begin_ahead(slots, front, shared, state, places, layers, streams):
    """Find the pixels for which the row above is to be summed now; returns how many with the padding."""
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
    """List columns first..end - 1 of the next row of each slot, which is given whole, column by column, and begin their
    streams; returns how many pixels with the padding, and how many of them need logits, as they are weighed."""
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
    """Add up ln p of the weighed pixels of rows that are given whole, whose streams and skip sums are there; False when
    a logit is not finite."""
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
    """Fill the cells of a work list."""
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
    """List the pixels that need logits; returns how many, filled up to 1 or a multiple of 4."""
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
    """Settle one colour of the real pixels, and let the pixels and colours after them see it; False when a logit is
    not finite."""
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
    """Let the pixels and colours behind it see a value: scaled to -1 to 1, or a category's number, from 1 on."""
    if shared.categories:
        state.scaled[cell, colour] = np.float32(value + 1)
        return
    step = np.float32(2.0 / (shared.values - 1))
    state.scaled[cell, colour] = np.float32(value) * step - np.float32(1)


@njit(inline="always")
def settle_value(i, slot, y, x, colour, shared, state):
    """Decide a value and return it, or -1 if one of the i-th logits is not finite.

    The value is given, or drawn from the logits; its ln p is added up if its pixel is
    weighed. In a slot with a range coder a weighed value is encoded, and the coder
    stands in the place of the noise.
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
    """Encode a given value, or decode one; -1 when a logit is not finite."""
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
