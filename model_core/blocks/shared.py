"""Phases that every network has: the input convolution, the 1 x 1 convolutions after a
layer, the head.

It computes what compiled/shared.py does. Where that stores a sum and continues it
later, the later chain begins with `ZERO + sum`, which turns -0.0 into 0.0, as there.
The arguments of a phase are described in phases.py.
"""
# pyright: reportCallIssue=false

from numba import njit

from model_core.blocks.arithmetic import PHASE, ZERO, chain, rectify
from model_core.blocks.memory import load, load_int, quotient, store
from model_core.blocks.record import (
    ABOVE_B,
    ABOVE_CELL,
    ABOVE_W,
    BEFORE_B,
    BEFORE_W,
    BESIDE_W,
    CATEGORIES,
    CHANNELS,
    COLUMN,
    CONDITION,
    CONDITIONS,
    FEATURES,
    FIRST,
    FIRST_B,
    FIRST_W,
    HIDDEN,
    INPUT_W,
    LAYERS,
    LOGITS,
    LONGEST,
    MAPS,
    OUT,
    OUTPUT_B,
    OUTPUT_W,
    OUTPUTS,
    RESIDUAL,
    RING_CELL,
    RING_ROWS,
    ROW,
    SCALED,
    SECOND,
    SECOND_B,
    SECOND_W,
    SIDE,
    SKIP,
    SKIP_B,
    SKIP_W,
    SKIPS,
    STREAM_CELL,
    STREAM_CELLS,
    STREAMS,
    SUMS,
    TOP,
    UP_B,
    UP_W,
    VALUE_CELL,
    VALUES,
    WANTED,
    WIDE,
    WIDTH,
    all_of,
    floats,
    image_at,
    listed,
    pixels,
    product_at,
    size,
    state_at,
    wanted_pixels,
    weights_at,
)


@njit(**PHASE)
def stream_at(block, layer, pixel):
    """Return the address of the features of a pixel of the list in the stream before a
    layer."""
    cell = layer * size(block, STREAM_CELLS) + listed(block, pixel, STREAM_CELL)
    return floats(state_at(block, STREAMS), cell * all_of(block, FEATURES))


@njit(**PHASE)
def out_at(block, layer, pixel):
    """Return the address of the features that a layer gives at a pixel of the list."""
    cell = layer * size(block, LONGEST) + pixel
    return floats(state_at(block, OUT), cell * all_of(block, HIDDEN))


@njit(**PHASE)
def ring_at(block, array, layer, cell):
    """Return the address of the features of a cell in a layer's ring.

    array: field of the record, such as MAPS.
    """
    cells = size(block, RING_ROWS) * (size(block, WIDTH) + 2)
    place = (layer * cells + cell) * all_of(block, HIDDEN)
    return floats(state_at(block, array), place)


@njit(**PHASE)
def begin_streams(thread, threads, block):
    """Do one thread's part of a phase (phases.py): begin the skip sums with the biases,
    and the first stream with what the input convolution reads of all colours of earlier
    pixels. block: addresses (record.py)."""
    features, bias = all_of(block, FEATURES), weights_at(block, BEFORE_B)
    skips, skip_bias = state_at(block, SKIPS), weights_at(block, SKIP_B)
    item = thread
    while item < pixels(block) * features:
        pixel = quotient(item, features)
        feature = item - pixel * features
        store(skips, item, load(skip_bias, feature))
        if size(block, CATEGORIES):
            total = _look_up_before(block, pixel, feature, load(bias, feature))
        else:
            total = _sum_before(block, pixel, feature, load(bias, feature))
        store(stream_at(block, 0, pixel), feature, ZERO + total)
        item += threads


@njit(**PHASE)
def _sum_before(block, pixel, feature, bias):
    """Return the bias and what a feature reads of three rows of seven cells, then of
    three cells, added."""
    channels, features = size(block, CHANNELS), all_of(block, FEATURES)
    weights, scaled = weights_at(block, BEFORE_W), state_at(block, SCALED)
    row = size(block, WIDTH) + 2 * SIDE
    cell = listed(block, pixel, VALUE_CELL)
    wide = (2 * SIDE + 1) * channels
    total = bias
    up = SIDE
    while up >= 0:
        read = floats(scaled, (cell - up * row - SIDE) * channels)
        count = wide
        if up == 0:
            count = SIDE * channels
        from_row = floats(weights, (SIDE - up) * wide * features + feature)
        total = chain(total + ZERO, read, from_row, count, features)
        up -= 1
    return total


@njit(**PHASE)
def _look_up_before(block, pixel, feature, bias):
    """Return the same as `_sum_before` for categories: each value of a cell has a
    column of weights."""
    features, values = all_of(block, FEATURES), size(block, VALUES)
    weights, scaled = weights_at(block, BEFORE_W), state_at(block, SCALED)
    row = size(block, WIDTH) + 2 * SIDE
    own = listed(block, pixel, VALUE_CELL)
    total = bias
    cell, up, across = 0, SIDE, -SIDE
    while up > 0 or across < 0:
        number = int(load(scaled, own - up * row + across))
        if number > 0:  # 0 lies outside the image
            column = (cell * values + number - 1) * features + feature
            total += load(weights, column)
        cell += 1
        across += 1
        if across > SIDE:
            across = -SIDE
            up -= 1
    return total


@njit(**PHASE)
def sum_before(thread, threads, block, bounds, left):
    """Do one thread's part of a phase (phases.py): fill SUMS with what every layer
    reads before the pixel, all colours: the three cells above, the condition, and the
    left neighbour.

    bounds: field of the record with the bounds of the sums' map, such as GATES.
    left: MAPS if the left neighbour's features are read there, like the three cells
        above; STREAMS if its input is.
    """
    outputs, h, c = all_of(block, bounds), all_of(block, HIDDEN), size(block, CONDITION)
    read = h
    if left == STREAMS:
        read = all_of(block, FEATURES)
    above, beside = weights_at(block, ABOVE_W), weights_at(block, BESIDE_W)
    count, longest = pixels(block), size(block, LONGEST)
    item = thread
    while item < size(block, LAYERS) * count * outputs:
        row = quotient(item, outputs)
        output = item - row * outputs
        i = quotient(row, count)
        pixel = row - i * count
        # The three cells lie side by side, so that one chain reads them.
        hidden = ring_at(block, MAPS, i, listed(block, pixel, ABOVE_CELL))
        weights = floats(above, i * 3 * h * outputs + output)
        start = load(weights_at(block, ABOVE_B), i * outputs + output) + ZERO
        total = chain(start, hidden, weights, 3 * h, outputs)
        weights = floats(beside, i * (c + read) * outputs + output)
        if c:
            condition = condition_at(block, pixel)
            total = chain(ZERO + total, condition, weights, c, outputs)
        if left == STREAMS:
            neighbour = floats(stream_at(block, i, pixel), -read)
        else:
            neighbour = ring_at(block, MAPS, i, listed(block, pixel, RING_CELL) - 1)
        weights = floats(weights, c * outputs)
        total = chain(ZERO + total, neighbour, weights, read, outputs)
        place = (i * longest + pixel) * outputs + output
        store(state_at(block, SUMS), place, total)
        item += threads


@njit(**PHASE)
def condition_at(block, pixel):
    """Return the address of the condition at a pixel of the list."""
    here = listed(block, pixel, ROW) * size(block, WIDTH) + listed(block, pixel, COLUMN)
    return floats(state_at(block, CONDITIONS), here * size(block, CONDITION))


@njit(**PHASE)
def read_own_colours(thread, threads, block, layer, colour):
    """Do one thread's part of a phase (phases.py): add to the first stream what the
    input convolution reads at the pixel, which are the colours before this one. The
    first colour has none and does not need this phase."""
    channels = size(block, CHANNELS)
    first = size(block, FEATURES + colour)
    outputs = size(block, FEATURES + colour + 1) - first
    weights = product_at(block, INPUT_W, 0, colour)
    item = thread
    while item < pixels(block) * outputs:
        pixel = quotient(item, outputs)
        output = item - pixel * outputs
        cell = listed(block, pixel, VALUE_CELL)
        read = floats(state_at(block, SCALED), cell * channels)
        stream = stream_at(block, 0, pixel)
        start = ZERO + load(stream, first + output)
        total = chain(start, read, floats(weights, output), colour, outputs)
        store(stream, first + output, total)
        item += threads


@njit(**PHASE)
def go_on(thread, threads, block, layer, colour):
    """Do one thread's part of a phase (phases.py): compute one colour of the next
    stream from a layer's features, and add to the skip sums."""
    first = size(block, FEATURES + colour)
    outputs = size(block, FEATURES + colour + 1) - first
    known, features = size(block, HIDDEN + colour + 1), all_of(block, FEATURES)
    up = product_at(block, UP_W, layer, colour)
    bias = floats(weights_at(block, UP_B), layer * features)
    ways = 1 + size(block, SKIP)
    item = thread
    while item < ways * pixels(block) * outputs:
        row = quotient(item, outputs)
        output = item - row * outputs
        feature = first + output
        if row < pixels(block):
            hidden = out_at(block, layer, row)
            start = ZERO
            if size(block, RESIDUAL):
                start = load(stream_at(block, layer, row), feature)
            start = load(bias, feature) + start
            total = chain(start, hidden, floats(up, output), known, outputs)
            store(stream_at(block, layer + 1, row), feature, total)
        else:
            pixel = row - pixels(block)
            hidden = out_at(block, layer, pixel)
            sums = floats(state_at(block, SKIPS), pixel * features)
            weights = floats(product_at(block, SKIP_W, layer, colour), output)
            start = ZERO + load(sums, feature)
            store(sums, feature, chain(start, hidden, weights, known, outputs))
        item += threads


@njit(**PHASE)
def rectify_top(thread, threads, block, layer, colour):
    """Do one thread's part of a phase (phases.py): compute one colour of what the head
    reads, max(last stream + skip sum, 0), into TOP."""
    first = size(block, FEATURES + colour)
    outputs = size(block, FEATURES + colour + 1) - first
    features = all_of(block, FEATURES)
    item = thread
    while item < wanted_pixels(block) * outputs:
        order = quotient(item, outputs)
        feature = first + item - order * outputs
        pixel = load_int(image_at(block, WANTED), order)
        stream = stream_at(block, size(block, LAYERS), pixel)
        skip = load(state_at(block, SKIPS), pixel * features + feature)
        total = load(stream, feature) + skip
        store(state_at(block, TOP), order * features + feature, rectify(total))
        item += threads


@njit(**PHASE)
def first_of_head(thread, threads, block, layer, colour):
    """Do one thread's part of a phase (phases.py): compute one colour of the head's
    first inner map, into FIRST."""
    weights, bias = product_at(block, FIRST_W, 0, colour), weights_at(block, FIRST_B)
    read, known = state_at(block, TOP), size(block, FEATURES + colour + 1)
    item, outputs = thread, _outputs(block, WIDE, colour)
    while item < wanted_pixels(block) * outputs:
        total = _head_sum(
            block, item, outputs, read, FEATURES, known, weights, bias, WIDE, colour
        )
        _store_output(block, item, outputs, WIDE, colour, FIRST, rectify(total))
        item += threads


@njit(**PHASE)
def second_of_head(thread, threads, block, layer, colour):
    """Do one thread's part of a phase (phases.py): compute one colour of the head's
    second inner map, into SECOND."""
    weights, bias = product_at(block, SECOND_W, 0, colour), weights_at(block, SECOND_B)
    read, known = state_at(block, FIRST), size(block, WIDE + colour + 1)
    item, outputs = thread, _outputs(block, WIDE, colour)
    while item < wanted_pixels(block) * outputs:
        total = _head_sum(
            block, item, outputs, read, WIDE, known, weights, bias, WIDE, colour
        )
        _store_output(block, item, outputs, WIDE, colour, SECOND, rectify(total))
        item += threads


@njit(**PHASE)
def logits_of_head(thread, threads, block, layer, colour):
    """Do one thread's part of a phase (phases.py): compute the logits of one colour,
    into LOGITS."""
    weights, bias = product_at(block, OUTPUT_W, 0, colour), weights_at(block, OUTPUT_B)
    read, known = state_at(block, SECOND), size(block, WIDE + colour + 1)
    item, outputs = thread, _outputs(block, OUTPUTS, colour)
    while item < wanted_pixels(block) * outputs:
        total = _head_sum(
            block, item, outputs, read, WIDE, known, weights, bias, OUTPUTS, colour
        )
        _store_output(block, item, outputs, OUTPUTS, colour, LOGITS, total)
        item += threads


@njit(**PHASE)
def _outputs(block, bounds, colour):
    """Return the number of features of one colour in a map."""
    return size(block, bounds + colour + 1) - size(block, bounds + colour)


@njit(**PHASE)
def _head_sum(
    block, item, outputs, read, read_bounds, known, weights, bias, bounds, colour
):
    """Return one output of a 1 x 1 convolution of the head.

    item: number of the pixel times `outputs`, plus the output.
    read: the map that is read, of which the first `known` features are.
    bounds: of the map that is written.
    """
    order = quotient(item, outputs)
    output = item - order * outputs
    row = floats(read, order * all_of(block, read_bounds))
    start = load(bias, size(block, bounds + colour) + output) + ZERO
    return chain(start, row, floats(weights, output), known, outputs)


@njit(**PHASE)
def _store_output(block, item, outputs, bounds, colour, array, total):
    """Store that output in an array of the state."""
    order = quotient(item, outputs)
    output = item - order * outputs
    place = order * all_of(block, bounds) + size(block, bounds + colour) + output
    store(state_at(block, array), place, total)
