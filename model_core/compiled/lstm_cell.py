"""One LSTM cell (equation 3) of four images, 16 hidden units at a time, as numba intrinsics.

Arguments are byte addresses of the first of the four rows; the rows of one position lie one after the other. Gates lie
as (h / 16) chunks of [o, f, i, g], 16 floats each: a chunk is one tile, and the cell never leaves the registers.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from model_core.compiled.vector_code import (
    COLUMNS,
    INDEX,
    ROWS,
    VECTOR_BYTES,
    Builder,
    add_product,
    constant,
    load,
    multiply_add,
    new_tile,
    offset,
    sigmoid,
    store,
    tanh,
)


@intrinsic
def forward_cell(  # type: ignore[no-untyped-def]
    _typing, inputs, left, up, cell_left, weights, bias, gates, cell, hidden, in_features, units, gate_bytes
):
    """Gates from the inputs (in_features) and the hidden states (units) to the left and above; then cell and hidden."""

    def emit(context: Any, b: Builder, _signature: Any, arguments: list[ir.Value]) -> ir.Value:
        inputs, left, up, cell_left, weights, bias, gates, cell, hidden, in_features, units, gate_bytes = arguments
        state_bytes = b.mul(units, INDEX(4))
        tile = new_tile(b, [load(b, b.add(bias, INDEX(VECTOR_BYTES * v))) for v in range(COLUMNS)])
        parts = (
            (inputs, b.mul(in_features, INDEX(4)), in_features),
            (left, state_bytes, units),
            (up, state_bytes, units),
        )
        for rows, stride, count in parts:
            add_product(b, tile, rows, stride, count, weights, gate_bytes)
            weights = b.add(weights, b.mul(count, gate_bytes))
        for r, row in enumerate(tile):
            o, f, i = (sigmoid(b, b.load(slot)) for slot in row[:3])
            g = tanh(b, b.load(row[3]))
            c = multiply_add(b, f, load(b, offset(b, cell_left, state_bytes, r)), b.fmul(i, g))
            for v, gate in enumerate((o, f, i, g)):
                store(b, gate, b.add(offset(b, gates, gate_bytes, r), INDEX(VECTOR_BYTES * v)))
            store(b, c, offset(b, cell, state_bytes, r))
            store(b, b.fmul(o, tanh(b, c)), offset(b, hidden, state_bytes, r))
        return context.get_dummy_value()

    return types.void(*[types.intp] * 12), emit


@intrinsic
def backward_cell(  # type: ignore[no-untyped-def]
    _typing, gates, cell, cell_left, d_hidden, d_output, d_cell, d_cell_left, units, gate_bytes
):
    """Turn the gates into the gradient of their sums, in place, and hand the cell's gradient on to the left.

    The gradient of the hidden state is d_hidden (from the cells that read it) + d_output (from the layer above).
    """

    def emit(context: Any, b: Builder, _signature: Any, arguments: list[ir.Value]) -> ir.Value:
        gates, cell, cell_left, d_hidden, d_output, d_cell, d_cell_left, units, gate_bytes = arguments
        state_bytes = b.mul(units, INDEX(4))
        one = constant(1.0)
        for r in range(ROWS):
            row = offset(b, gates, gate_bytes, r)
            o, f, i, g = (load(b, b.add(row, INDEX(VECTOR_BYTES * v))) for v in range(COLUMNS))
            squashed = tanh(b, load(b, offset(b, cell, state_bytes, r)))
            dh = b.fadd(load(b, offset(b, d_hidden, state_bytes, r)), load(b, offset(b, d_output, state_bytes, r)))
            slope = b.fsub(one, b.fmul(squashed, squashed))
            dc = multiply_add(b, b.fmul(dh, o), slope, load(b, offset(b, d_cell, state_bytes, r)))
            before = load(b, offset(b, cell_left, state_bytes, r))
            gradients = (
                b.fmul(b.fmul(dh, squashed), b.fmul(o, b.fsub(one, o))),
                b.fmul(b.fmul(dc, before), b.fmul(f, b.fsub(one, f))),
                b.fmul(b.fmul(dc, g), b.fmul(i, b.fsub(one, i))),
                b.fmul(b.fmul(dc, i), b.fsub(one, b.fmul(g, g))),
            )
            for v, gradient in enumerate(gradients):
                store(b, gradient, b.add(row, INDEX(VECTOR_BYTES * v)))
            target = offset(b, d_cell_left, state_bytes, r)
            store(b, multiply_add(b, dc, f, load(b, target)), target)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 9), emit


@intrinsic
def add_rows_times(  # type: ignore[no-untyped-def]
    _typing, rows, row_bytes, count, weights, weight_bytes, to_0, by_0, to_1, by_1, to_2, by_2, to_3, by_3
):
    """rows (4 x count) @ weights (count x 64), its four vectors of columns added to four places (address, stride)."""

    def emit(context: Any, b: Builder, _signature: Any, arguments: list[ir.Value]) -> ir.Value:
        rows, row_bytes, count, weights, weight_bytes, *places = arguments
        tile = new_tile(b, [constant(0.0)] * COLUMNS)
        add_product(b, tile, rows, row_bytes, count, weights, weight_bytes)
        for r, row in enumerate(tile):
            for v, slot in enumerate(row):
                target = offset(b, places[2 * v], places[2 * v + 1], r)
                store(b, b.fadd(load(b, target), b.load(slot)), target)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 13), emit
