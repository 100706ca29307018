"""What the two LSTM layers share: the sums of the gates, and the cell (equation 3).

The gates of a pixel are stored colour by colour, and in each colour o, f, i, g. The
arguments of a phase are described in phases.py.
"""
# pyright: reportCallIssue=false

from numba import njit

from model_core.blocks.arithmetic import (
    PHASE,
    ZERO,
    chain,
    multiply_add,
    sigmoid,
    tanh,
)
from model_core.blocks.memory import load, quotient, store
from model_core.blocks.record import (
    FEATURES,
    GATE_SUMS,
    GATES,
    HIDDEN,
    LONGEST,
    SUMS,
    all_of,
    floats,
    pixels,
    product_at,
    size,
    state_at,
)
from model_core.blocks.shared import stream_at


@njit(**PHASE)
def sum_input(thread, threads, block, layer, colour, product):
    """Do one thread's part of a phase (phases.py): fill the gates of one colour with
    SUMS plus what they read of the pixel's input.

    product: number of that product in the record (record.py).
    """
    gates, first = all_of(block, GATES), size(block, GATES + colour)
    outputs = size(block, GATES + colour + 1) - first
    known = size(block, FEATURES + colour + 1)
    weights = product_at(block, product, layer, colour)
    sums = floats(state_at(block, SUMS), layer * size(block, LONGEST) * gates)
    item = thread
    while item < pixels(block) * outputs:
        pixel = quotient(item, outputs)
        output = item - pixel * outputs
        place = pixel * gates + first + output
        read = stream_at(block, layer, pixel)
        start = ZERO + load(sums, place)
        total = chain(start, read, floats(weights, output), known, outputs)
        store(state_at(block, GATE_SUMS), place, total)
        item += threads


@njit(**PHASE)
def continue_cell(block, pixel, colour, unit, units, before, cell):
    """Compute one unit of one colour at a pixel of the list, store its cell state, and
    return its hidden state.

    pixel: index in the list.
    unit: index in the colour, which has `units` units.
    before, cell: addresses of the features of the cell that this one continues, and of
        the new one.
    """
    row = pixel * all_of(block, GATES) + size(block, GATES + colour)
    gates = floats(state_at(block, GATE_SUMS), row + unit)
    feature = size(block, HIDDEN + colour) + unit
    return lstm_unit(gates, units, feature, before, cell)


@njit(**PHASE)
def lstm_unit(gates, units, feature, before, cell):
    """Compute a unit's cell from the former one, store it, and return its hidden state.

    gates: address of the unit's gate o; f, i and g follow, each `units` floats further
        on.
    feature: index of the unit in the cells at the addresses `before` and `cell`.
    """
    output, forget = sigmoid(load(gates, 0)), sigmoid(load(gates, units))
    add, new = sigmoid(load(gates, 2 * units)), tanh(load(gates, 3 * units))
    state = multiply_add(forget, load(before, feature), add * new)
    store(cell, feature, state)
    return output * tanh(state)
