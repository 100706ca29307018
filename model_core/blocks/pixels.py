"""The pixels of a step: which ones are computed, and how their values are decided.

Row y may compute its pixel x as soon as the row above has computed `lag` columns more
(compiled/frontier.py), so several rows of an image are drawn at once, with the same
result as one after the other. Each of these phases uses one thread, or one for each
pixel. The arguments of a phase are described in phases.py.
"""
# pyright: reportCallIssue=false

import numpy as np
from numba import njit

from model_core.blocks.arithmetic import ONE, PHASE, ZERO, exponential, logarithm
from model_core.blocks.coder import decode_value, encode_value
from model_core.blocks.memory import (
    load,
    load_double,
    load_int,
    quotient,
    store,
    store_double,
    store_int,
)
from model_core.blocks.record import (
    ABOVE_CELL,
    BY_COLUMN,
    CATEGORIES,
    CHANNELS,
    CODED,
    COLUMN,
    COUNT,
    DONE,
    ENDED,
    ENTRY,
    EXPONENTIALS,
    FAILED,
    FIRST_ROW,
    HEIGHT,
    IMAGE,
    IN_ORDER,
    KEEP,
    LAG,
    LARGEST,
    LIST,
    LOG_P,
    LOGITS,
    NOISE,
    ORDER,
    OUTPUTS,
    RING_CELL,
    RING_ROWS,
    ROW,
    SCALED,
    SIDE,
    STOP,
    STREAM_CELL,
    STREAM_PLACE,
    TEMPERATURE,
    VALUE_CELL,
    VALUES,
    WANTED,
    WANTED_COUNT,
    WEIGHED,
    WIDTH,
    all_of,
    floats,
    image_at,
    listed,
    pixels,
    size,
    state_at,
    wanted_pixels,
)


@njit(**PHASE)
def list_pixels(thread, threads, block, layer, colour):
    """Do the first thread's part of a phase (phases.py): list the pixels whose turn it
    is, in LIST, WANTED, COUNT and WANTED_COUNT. The other threads have nothing to
    do."""
    if thread == 0:
        H, W, lag = size(block, HEIGHT), size(block, WIDTH), size(block, LAG)
        done, stop = image_at(block, DONE), image_at(block, STOP)
        first = load_int(image_at(block, FIRST_ROW), 0)
        stop_row, stop_column = load_int(stop, 0), load_int(stop, 1)
        count, wanted = 0, 0
        y = first
        while y < H and y <= stop_row:
            x = load_int(done, y)
            end = stop_column if y == stop_row else W
            # The row above the first one counts as done.
            above = W if y == first else load_int(done, y - 1)
            if x < end and above >= min(W, x + lag):
                wanted += _list_pixel(block, y, x, count, wanted)
                count += 1
            elif x == 0:
                break
            y += 1
        store_int(image_at(block, COUNT), 0, count)
        store_int(image_at(block, WANTED_COUNT), 0, wanted)


@njit(**PHASE)
def _list_pixel(block, y, x, count, wanted):
    """Fill an entry of the list; return 1 if the pixel needs logits, else 0."""
    W, rows = size(block, WIDTH), size(block, RING_ROWS)
    entry = image_at(block, LIST) + 8 * ENTRY * count
    row_above = rows - 1
    if y > 0:
        row_above = y - 1 - quotient(y - 1, rows) * rows
    ring_cell = (y - quotient(y, rows) * rows) * (W + 2) + x + 1
    place = size(block, STREAM_PLACE)
    stream_cell = ring_cell
    if place == IN_ORDER:
        stream_cell = count
    elif place == BY_COLUMN:
        stream_cell = x
    here = y * W + x
    is_kept = load_int(image_at(block, KEEP), here)
    is_weighed = load_int(image_at(block, WEIGHED), here)
    needs_logits = 1
    if is_kept and not is_weighed:
        needs_logits = 0
    store_int(entry, ROW, y)
    store_int(entry, COLUMN, x)
    store_int(entry, VALUE_CELL, (y + SIDE) * (W + 2 * SIDE) + x + SIDE)
    store_int(entry, RING_CELL, ring_cell)
    store_int(entry, ABOVE_CELL, row_above * (W + 2) + x)
    store_int(entry, STREAM_CELL, stream_cell)
    store_int(entry, ORDER, wanted if needs_logits else -1)
    if needs_logits:
        store_int(image_at(block, WANTED), wanted, count)
    return needs_logits


@njit(**PHASE)
def move_on(thread, threads, block, layer, colour):
    """Do the first thread's part of a phase (phases.py): count the pixels of the list
    as drawn, in DONE, FIRST_ROW and ENDED. The other threads have nothing to do."""
    if thread == 0:
        W, done = size(block, WIDTH), image_at(block, DONE)
        ended = -1
        pixel = 0
        while pixel < pixels(block):
            y = listed(block, pixel, ROW)
            columns = load_int(done, y) + 1
            store_int(done, y, columns)
            if columns == W:
                ended = y
                store_int(image_at(block, FIRST_ROW), 0, y + 1)
            pixel += 1
        store_int(image_at(block, ENDED), 0, ended)


@njit(**PHASE)
def find_largest(thread, threads, block, layer, colour):
    """Do one thread's part of a phase (phases.py): find the largest logit of a colour,
    into LARGEST; NaN if one is not finite. A thread for each pixel that needs
    logits."""
    values, outputs = size(block, VALUES), all_of(block, OUTPUTS)
    largest = state_at(block, LARGEST)
    pixel = thread
    while pixel < wanted_pixels(block):
        begin = pixel * outputs + size(block, OUTPUTS + colour)
        logits = floats(state_at(block, LOGITS), begin)
        top = load(logits, 0)
        differences = ZERO
        v = 0
        while v < values:
            logit = load(logits, v)
            if logit > top:
                top = logit
            differences += logit - logit  # not 0 of infinity and NaN
            v += 1
        store(largest, pixel, top + differences)
        pixel += threads


@njit(**PHASE)
def _check_finite(block):
    """Set FAILED if a logit of the step was not finite."""
    largest = state_at(block, LARGEST)
    pixel = 0
    while pixel < wanted_pixels(block):
        top = load(largest, pixel)
        if top - top != ZERO:  # NaN
            store_int(image_at(block, FAILED), 0, 1)
        pixel += 1


@njit(**PHASE)
def exponentiate(thread, threads, block, layer, colour):
    """Do one thread's part of a phase (phases.py): compute e to the power (logit - the
    largest) / temperature of each value, into EXPONENTIALS. The first thread sets
    FAILED if a logit was not finite."""
    if thread == 0:
        _check_finite(block)
    values, outputs = size(block, VALUES), all_of(block, OUTPUTS)
    first = size(block, OUTPUTS + colour)
    logits, largest = state_at(block, LOGITS), state_at(block, LARGEST)
    exponentials = state_at(block, EXPONENTIALS)
    temperature = load_double(image_at(block, TEMPERATURE), 0)
    item = thread
    while item < wanted_pixels(block) * values:
        pixel = quotient(item, values)
        v = item - pixel * values
        logit = np.float64(load(logits, pixel * outputs + first + v))
        difference = logit - np.float64(load(largest, pixel))
        power = np.float32(difference / temperature)
        store(exponentials, item, exponential(power))
        item += threads


@njit(**PHASE)
def settle(thread, threads, block, layer, colour):
    """Do one thread's part of a phase (phases.py): decide one colour's values, and
    store them in IMAGE and SCALED for the pixels and colours after them.

    A thread for each pixel of the list; one thread for all if they are coded, because
    the order of the list is the order of the code.
    """
    H, W = size(block, HEIGHT), size(block, WIDTH)
    channels = size(block, CHANNELS)
    image = image_at(block, IMAGE)
    pixel, stride, end = thread, threads, pixels(block)
    if load_int(image_at(block, CODED), 0):
        stride = 1
        if thread > 0:
            end = 0
    while pixel < end:
        y, x = listed(block, pixel, ROW), listed(block, pixel, COLUMN)
        place = (colour * H + y) * W + x
        value = load_int(image, place)
        order = listed(block, pixel, ORDER)
        if order >= 0:
            value = _decide(block, order, colour, value, y, x)
            store_int(image, place, value)
        cell = listed(block, pixel, VALUE_CELL)
        store(state_at(block, SCALED), cell * channels + colour, _scaled(block, value))
        pixel += stride


@njit(**PHASE)
def _decide(block, order, colour, value, y, x):
    """Return the value of a pixel with logits: given, drawn or decoded.

    A given value is encoded if the image is coded. Otherwise ln p of the value, given
    or drawn, is added up if the pixel is weighed.
    """
    here = y * size(block, WIDTH) + x
    is_kept = load_int(image_at(block, KEEP), here)
    if load_int(image_at(block, CODED), 0):
        return _code(block, order, value, is_kept)
    if not is_kept:
        place = here * size(block, CHANNELS) + colour
        value = _draw(block, order, load_double(image_at(block, NOISE), place))
    if load_int(image_at(block, WEIGHED), here):
        _weigh(block, order, colour, value, y)
    return value


@njit(**PHASE)
def _code(block, order, value, is_kept):
    """Encode a value that is given, or decode one; return it."""
    if load_int(image_at(block, FAILED), 0):
        return value  # without finite logits there is no interval
    exponentials = floats(state_at(block, EXPONENTIALS), order * size(block, VALUES))
    total = _total(block, order)
    if not is_kept:
        return decode_value(block, exponentials, total)
    encode_value(block, value, exponentials, total)
    return value


@njit(**PHASE)
def _scaled(block, value):
    """Return a value as the network reads it: -1..1, or for a category its number +
    1."""
    if size(block, CATEGORIES):
        return np.float32(value + 1)
    step = np.float32(2.0 / np.float64(size(block, VALUES) - 1))
    return np.float32(value) * step - ONE


@njit(**PHASE)
def _total(block, order):
    """Return the sum of a pixel's exponentials, float64."""
    values = size(block, VALUES)
    exponentials = floats(state_at(block, EXPONENTIALS), order * values)
    total = 0.0
    v = 0
    while v < values:
        total += np.float64(load(exponentials, v))
        v += 1
    return total


@njit(**PHASE)
def _draw(block, order, noise):
    """Return the smallest value whose cumulative probability exceeds the noise."""
    values = size(block, VALUES)
    exponentials = floats(state_at(block, EXPONENTIALS), order * values)
    bound = noise * _total(block, order)
    reached = 0.0
    v = 0
    while v < values - 1:
        reached += np.float64(load(exponentials, v))
        if reached > bound:
            break
        v += 1
    return v


@njit(**PHASE)
def _weigh(block, order, colour, value, y):
    """Add ln p of a value to the sum of its row.

    A list has at most one pixel of a row, so no other thread adds to this sum.
    """
    log_p = image_at(block, LOG_P)
    begin = order * all_of(block, OUTPUTS) + size(block, OUTPUTS + colour)
    logit = np.float64(load(state_at(block, LOGITS), begin + value))
    top = np.float64(load(state_at(block, LARGEST), order))
    temperature = load_double(image_at(block, TEMPERATURE), 0)
    found = (logit - top) / temperature - logarithm(_total(block, order))
    store_double(log_p, y, load_double(log_p, y) + found)
