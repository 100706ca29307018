"""Tiles for drawing: four pixels, anywhere in memory, through one piece of a layer, as numba intrinsics.

Everything is said by tables of int64 byte addresses, four to a row, one for each pixel:

    reads    rows of (address, address, address, address, features): what the product reads, in the order of the weights
    places   one row of four addresses: where results go, or start from

Each pixel's result is the same sequence of operations whatever the other three are, so its bits depend on nothing else.
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
    load,
    multiply_add,
    new_tile,
    relu,
    sigmoid,
    store,
    tanh,
)

READ = ROWS + 1
"""Entries in a row of `reads`."""


def _addresses(b: Builder, table: ir.Value) -> list[ir.Value]:
    entries = b.inttoptr(table, INDEX.as_pointer())
    return [b.load(b.gep(entries, [INDEX(r)])) for r in range(ROWS)]


def _columns_at(b: Builder, address: ir.Value, columns: int) -> list[ir.Value]:
    return [load(b, b.add(address, INDEX(VECTOR_BYTES * v))) for v in range(columns)]


def _add_reads(
    b: Builder, tile: Tile, reads: ir.Value, count: ir.Value, weights: ir.Value, weight_bytes: ir.Value
) -> None:
    at_weights = cgutils.alloca_once_value(b, weights)
    with cgutils.for_range(b, count) as loop:
        row = b.add(reads, b.mul(loop.index, INDEX(8 * READ)))
        features = b.load(b.gep(b.inttoptr(row, INDEX.as_pointer()), [INDEX(ROWS)]))
        here = b.load(at_weights)
        add_product(b, tile, _addresses(b, row), features, here, weight_bytes)
        b.store(b.add(here, b.mul(features, weight_bytes)), at_weights)


def _linear_tile(columns: int) -> Any:
    @intrinsic
    def linear(_typing, reads, count, weights, weight_bytes, bias, starts, places, rectify):  # type: ignore[no-untyped-def]
        def emit(context: Any, b: Builder, _signature: Any, arguments: list[ir.Value]) -> ir.Value:
            reads, count, weights, weight_bytes, bias, starts, places, rectify = arguments
            tile = new_tile(b, [_columns_at(b, bias, columns)] * ROWS)
            with b.if_then(b.icmp_signed("!=", starts, INDEX(0))):
                for row, address in zip(tile, _addresses(b, starts), strict=True):
                    for slot, start in zip(row, _columns_at(b, address, columns), strict=True):
                        b.store(b.fadd(b.load(slot), start), slot)
            _add_reads(b, tile, reads, count, weights, weight_bytes)
            with b.if_then(b.icmp_signed("!=", rectify, INDEX(0))):
                for row in tile:
                    for slot in row:
                        b.store(relu(b, b.load(slot)), slot)
            for row, address in zip(tile, _addresses(b, places), strict=True):
                for v, slot in enumerate(row):
                    store(b, b.load(slot), b.add(address, INDEX(VECTOR_BYTES * v)))
            return context.get_dummy_value()

        return types.void(*[types.intp] * 8), emit

    return linear


linear_1, linear_2, linear_3, linear_4 = (_linear_tile(columns) for columns in range(1, COLUMNS + 1))
"""bias + starts (if any) + reads @ weights, rectified if asked, for 16, 32, 48 and 64 columns."""


@intrinsic
def cell_tile(  # type: ignore[no-untyped-def]
    _typing, reads, count, weights, weight_bytes, bias, cells_before, cells, hiddens
):
    """16 hidden units of an LSTM (equation 3), gates by chunks of [o, f, i, g]; three tables of places."""

    def emit(context: Any, b: Builder, _signature: Any, arguments: list[ir.Value]) -> ir.Value:
        reads, count, weights, weight_bytes, bias, cells_before, cells, hiddens = arguments
        tile = new_tile(b, [_columns_at(b, bias, COLUMNS)] * ROWS)
        _add_reads(b, tile, reads, count, weights, weight_bytes)
        tables = (_addresses(b, table) for table in (cells_before, cells, hiddens))
        for row, before, cell, hidden in zip(tile, *tables, strict=True):
            o, f, i = (sigmoid(b, b.load(slot)) for slot in row[:3])
            c = multiply_add(b, f, load(b, before), b.fmul(i, tanh(b, b.load(row[3]))))
            store(b, c, cell)
            store(b, b.fmul(o, tanh(b, c)), hidden)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 8), emit
