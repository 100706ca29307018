"""One LSTM cell (equation 3) of four images, 16 hidden units at a time, as numba intrinsics.

Arguments are byte addresses of the first of the four rows; the rows of one position lie one after the other. Gates lie
as (h / 16) chunks of [o, f, i, g], 16 floats each: a chunk is one tile, and the cell never leaves the registers.

What a cell reads is a table of int64 triples (address, bytes from one image to the next, features), one for each
neighbour, in the order of the rows of the weights.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from model_core.compiled.vector_code import (
    COLUMNS,
    INDEX,
    ROWS,
    VECTOR_BYTES,
    Builder,
    Tile,
    add_product,
    constant,
    load,
    multiply_add,
    new_tile,
    offset,
    rows_apart,
    side_by_side,
    sigmoid,
    store,
    tanh,
)

TRIPLE = 3


@intrinsic
def forward_cell(_typing, reads, read_count, cell_before, weights, bias, gates, cell, hidden, units, gate_bytes):
    """Gates from what the table `reads` lists, then cell and hidden; cell_before is the cell this one continues."""

    def emit(context: Any, b: Builder, _signature: Any, arguments: list[ir.Value]) -> ir.Value:
        reads, read_count, cell_before, weights, bias, gates, cell, hidden, units, gate_bytes = arguments
        state_bytes = b.mul(units, INDEX(4))
        tile = new_tile(b, [[load(b, b.add(bias, INDEX(VECTOR_BYTES * v))) for v in range(COLUMNS)]] * ROWS)
        _add_products(b, tile, reads, read_count, weights, gate_bytes)
        for r, row in enumerate(tile):
            o, f, i = (sigmoid(b, b.load(slot)) for slot in row[:3])
            g = tanh(b, b.load(row[3]))
            c = multiply_add(b, f, load(b, offset(b, cell_before, state_bytes, r)), b.fmul(i, g))
            for v, gate in enumerate((o, f, i, g)):
                store(b, gate, b.add(offset(b, gates, gate_bytes, r), INDEX(VECTOR_BYTES * v)))
            store(b, c, offset(b, cell, state_bytes, r))
            store(b, b.fmul(o, tanh(b, c)), offset(b, hidden, state_bytes, r))
        return context.get_dummy_value()

    return types.void(*[types.intp] * 10), emit


def _add_products(
    b: Builder, tile: Tile, reads: ir.Value, count: ir.Value, weights: ir.Value, weight_bytes: ir.Value
) -> None:
    """tile += each neighbour's features @ its rows of the weights."""
    at_weights = cgutils.alloca_once_value(b, weights)
    with cgutils.for_range(b, count) as loop:
        triple = b.inttoptr(b.add(reads, b.mul(loop.index, INDEX(8 * TRIPLE))), INDEX.as_pointer())
        address, stride, features = (b.load(b.gep(triple, [INDEX(field)])) for field in range(TRIPLE))
        here = b.load(at_weights)
        add_product(b, tile, rows_apart(b, address, stride), features, side_by_side(b, here), weight_bytes)
        b.store(b.add(here, b.mul(features, weight_bytes)), at_weights)


@intrinsic
def backward_cell(_typing, gates, cell, cell_before, d_hidden, d_output, d_cell, d_cell_before, units, gate_bytes):
    """Turn the gates into the gradient of their sums, in place, and hand the cell's gradient back to the cell before.

    The gradient of the hidden state is d_hidden (from the cells that read it) + d_output (from the layer above).
    """

    def emit(context: Any, b: Builder, _signature: Any, arguments: list[ir.Value]) -> ir.Value:
        gates, cell, cell_before, d_hidden, d_output, d_cell, d_cell_before, units, gate_bytes = arguments
        state_bytes = b.mul(units, INDEX(4))
        one = constant(1.0)
        for r in range(ROWS):
            row = offset(b, gates, gate_bytes, r)
            o, f, i, g = (load(b, b.add(row, INDEX(VECTOR_BYTES * v))) for v in range(COLUMNS))
            squashed = tanh(b, load(b, offset(b, cell, state_bytes, r)))
            dh = b.fadd(load(b, offset(b, d_hidden, state_bytes, r)), load(b, offset(b, d_output, state_bytes, r)))
            slope = b.fsub(one, b.fmul(squashed, squashed))
            dc = multiply_add(b, b.fmul(dh, o), slope, load(b, offset(b, d_cell, state_bytes, r)))
            before = load(b, offset(b, cell_before, state_bytes, r))
            gradients = (
                b.fmul(b.fmul(dh, squashed), b.fmul(o, b.fsub(one, o))),
                b.fmul(b.fmul(dc, before), b.fmul(f, b.fsub(one, f))),
                b.fmul(b.fmul(dc, g), b.fmul(i, b.fsub(one, i))),
                b.fmul(b.fmul(dc, i), b.fsub(one, b.fmul(g, g))),
            )
            for v, gradient in enumerate(gradients):
                store(b, gradient, b.add(row, INDEX(VECTOR_BYTES * v)))
            target = offset(b, d_cell_before, state_bytes, r)
            store(b, multiply_add(b, dc, f, load(b, target)), target)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 9), emit


@intrinsic
def add_rows_times(_typing, rows, row_bytes, count, weights, weight_bytes, places):
    """rows (4 x count) @ weights (count x 64), each of its four vectors of columns added to a place of its own.

    places: table of four int64 pairs (address, bytes from one image to the next).
    """

    def emit(context: Any, b: Builder, _signature: Any, arguments: list[ir.Value]) -> ir.Value:
        rows, row_bytes, count, weights, weight_bytes, places = arguments
        tile = new_tile(b, [[constant(0.0)] * COLUMNS] * ROWS)
        add_product(b, tile, rows_apart(b, rows, row_bytes), count, side_by_side(b, weights), weight_bytes)
        table = b.inttoptr(places, INDEX.as_pointer())
        for v in range(COLUMNS):
            address, stride = (b.load(b.gep(table, [INDEX(2 * v + field)])) for field in range(2))
            for r, row in enumerate(tile):
                target = offset(b, address, stride, r)
                store(b, b.fadd(load(b, target), b.load(row[v])), target)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 6), emit
