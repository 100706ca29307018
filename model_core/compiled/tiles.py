"""Pieces of a layer for drawing, as numba intrinsics: products of a few pixels,
anywhere in memory, and LSTM cells.

A *spot* says where features of pixels are, by three int64: the address of a map's
features, the bytes from one of its cells to the next, and the address of a list of
cells (int64), one for each pixel.

Each pixel's result is the same sequence of operations for every shape of the tile and
whatever the other pixels are, so its bits depend on nothing else.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from model_core.compiled.vector_code import (
    INDEX,
    INDEX_BYTES,
    VECTOR_BYTES,
    Builder,
    Tile,
    add_product,
    exp,
    has_feature,
    load,
    multiply_add,
    new_tile,
    offset,
    relu,
    side_by_side,
    sigmoid,
    store,
    tanh,
)

_MANY_REGISTERS = has_feature("avx512f")
TALLEST, WIDEST = (8, 3) if _MANY_REGISTERS else (4, 1)
"""Pixels and vectors of columns of the largest tile: 8 x 3 sums, three weights and a
factor fit into 32 registers."""
WIDEST_ALONE = 3 if _MANY_REGISTERS else 4
"""Vectors of columns of the widest tile of one pixel. Each sum waits for its own
last multiply-add, so there must be several of them, even if their weights are not
adjacent."""

_SHAPES = [
    (rows, columns)
    for rows in sorted({TALLEST, 4, 1}, reverse=True)
    for columns in range(WIDEST if rows > 1 else WIDEST_ALONE, 0, -1)
]
AHEAD = 1536
"""Bytes. A few pixels wait for their weights, and the CPU foresees what is read only
within a page: so a tile asks for the weights that are this far ahead. Of 0 to 6144 this
was the best for one image, and nothing was lost with many."""

_SPOT = types.UniTuple(types.intp, 3)


def _parts(b: Builder, record: ir.Value, count: int) -> list[ir.Value]:
    return [b.extract_value(record, i) for i in range(count)]


def _pixels(b: Builder, spot: ir.Value, rows: int) -> list[ir.Value]:
    """Return the addresses of the features of the first `rows` pixels of a spot."""
    base, cell_bytes, cells = _parts(b, spot, 3)
    entries = b.inttoptr(cells, INDEX.as_pointer())
    return [
        b.add(base, b.mul(b.load(b.gep(entries, [INDEX(r)])), cell_bytes))
        for r in range(rows)
    ]


def _vectors(b: Builder, address: ir.Value, columns: int) -> list[ir.Value]:
    return [load(b, at) for at in side_by_side(b, address, columns)]


def _start(
    b: Builder, bias: ir.Value, start: ir.Value, rows: int, columns: int
) -> Tile:
    biases = _vectors(b, bias, columns)
    starts = [_vectors(b, at, columns) for at in _pixels(b, start, rows)]
    return new_tile(
        b, [[b.fadd(*pair) for pair in zip(biases, row, strict=True)] for row in starts]
    )


def _finish(b: Builder, tile: Tile, out: ir.Value, rectify: ir.Value) -> None:
    with b.if_then(b.icmp_signed("!=", rectify, INDEX(0))):
        for row in tile:
            for slot in row:
                b.store(relu(b, b.load(slot)), slot)
    for row, place in zip(tile, _pixels(b, out, len(tile)), strict=True):
        for slot, at in zip(row, side_by_side(b, place, len(row)), strict=True):
            store(b, b.load(slot), at)


def _emit_tile(b: Builder, rows: int, columns: int, arguments: list[ir.Value]) -> None:
    """Write the code of a product of a tile of this shape; see `product_tile` for the
    arguments."""
    (
        read,
        taps,
        features,
        weights,
        vector_bytes,
        row_bytes,
        bias,
        start,
        out,
        rectify,
    ) = arguments
    pixels, tile = _pixels(b, read, rows), _start(b, bias, start, rows, columns)
    cell_bytes, tap_bytes = b.extract_value(read, 1), b.mul(features, row_bytes)
    with cgutils.for_range(b, taps) as loop:
        left = [b.add(pixel, b.mul(loop.index, cell_bytes)) for pixel in pixels]
        here = b.add(weights, b.mul(loop.index, tap_bytes))
        vectors = [offset(b, here, vector_bytes, v) for v in range(columns)]
        add_product(b, tile, left, features, vectors, row_bytes, INDEX(AHEAD))
    _finish(b, tile, out, rectify)


@intrinsic
def product_tile(
    _typing,
    rows,
    columns,
    read,
    taps,
    features,
    weights,
    vector_bytes,
    row_bytes,
    bias,
    start,
    out,
    rectify,
):
    """Compute out = bias + start + read @ weights for `rows` pixels and `columns`
    vectors of columns, a shape of _SHAPES, with negative results replaced by zero if
    `rectify` is 1.

    read: a spot (products.spot).
    taps, features: for each pixel, `features` floats are read in each of `taps`
        adjacent cells.
    weights: address of taps * features rows of vectors of 16.
    vector_bytes, row_bytes: bytes from one vector, and from one row, of the weights to
        the next.
    bias: address of a vector.
    start, out: spots, of what is added and of the result.
    """

    def emit(
        context: Any, b: Builder, _signature: Any, arguments: list[ir.Value]
    ) -> ir.Value:
        rows, columns, *rest = arguments
        for tall, wide in _SHAPES:
            is_tall, is_wide = (
                b.icmp_signed("==", rows, INDEX(tall)),
                b.icmp_signed("==", columns, INDEX(wide)),
            )
            with b.if_then(b.and_(is_tall, is_wide)):
                _emit_tile(b, tall, wide, rest)
        return context.get_dummy_value()

    numbers = [types.intp] * 2
    return types.void(
        *numbers, _SPOT, *numbers, *[types.intp] * 4, _SPOT, _SPOT, types.intp
    ), emit


def _elementwise(spots: int, numbers: int, operation: Callable[..., None]) -> Any:
    """Return an intrinsic (count, vectors, *spots, *numbers) that does `operation` on
    16 floats at each spot, for `vectors` vectors of `count` pixels."""

    def emit(
        context: Any, b: Builder, _signature: Any, arguments: list[ir.Value]
    ) -> ir.Value:
        count, vectors, *rest = arguments
        records = [_parts(b, spot, 3) for spot in rest[:spots]]
        with cgutils.for_range(b, count) as pixel:
            skipped = b.mul(pixel.index, INDEX(INDEX_BYTES))
            rows = []
            for base, cell_bytes, cells in records:
                cell = b.load(b.inttoptr(b.add(cells, skipped), INDEX.as_pointer()))
                rows.append(b.add(base, b.mul(cell, cell_bytes)))
            with cgutils.for_range(b, vectors) as vector:
                across = b.mul(vector.index, INDEX(VECTOR_BYTES))
                operation(b, *(b.add(row, across) for row in rows), *rest[spots:])
        return context.get_dummy_value()

    return types.void(
        types.intp, types.intp, *[_SPOT] * spots, *[types.intp] * numbers
    ), emit


@intrinsic
def rectify(_typing, count, vectors, source, target):
    """Set target = max(source, 0) for `vectors` vectors of 16 floats of `count` pixels;
    NaN stays NaN.

    source, target: spots (products.spot).
    """
    return _elementwise(
        2, 0, lambda b, source, target: store(b, relu(b, load(b, source)), target)
    )


@intrinsic
def add(_typing, count, vectors, left, right, target):
    """Set target = left + right for `vectors` vectors of 16 floats of `count` pixels;
    all are spots (products.spot)."""
    return _elementwise(
        3, 0, lambda b, x, y, target: store(b, b.fadd(load(b, x), load(b, y)), target)
    )


@intrinsic
def rectify_sum(_typing, count, vectors, left, right, target):
    """Set target = max(left + right, 0) for `vectors` vectors of 16 floats of `count`
    pixels; NaN stays NaN. All are spots (products.spot)."""
    return _elementwise(
        3,
        0,
        lambda b, x, y, target: store(
            b, relu(b, b.fadd(load(b, x), load(b, y))), target
        ),
    )


@intrinsic
def exponentials(_typing, count, vectors, source, target):
    """Set target = exp(source), within 2e-7, for `vectors` vectors of 16 floats of
    `count` pixels.

    source, target: spots (products.spot).
    """
    return _elementwise(
        2, 0, lambda b, source, target: store(b, exp(b, load(b, source)), target)
    )


@intrinsic
def lstm_cells(_typing, count, vectors, gates, before, cells, hiddens, gate_bytes):
    """Compute LSTM cells (equation 3) that continue `before`, for `vectors` vectors of
    16 units of `count` pixels.

    gates, gate_bytes: spot (products.spot) of the sums of o; those of f, i and g
        follow, gate_bytes apart.
    before: spot of the former cell states.
    cells, hiddens: spots of the results.
    """

    def units(
        b: Builder,
        gates: ir.Value,
        before: ir.Value,
        cell: ir.Value,
        hidden: ir.Value,
        apart: ir.Value,
    ) -> None:
        sums = [load(b, b.add(gates, b.mul(apart, INDEX(gate)))) for gate in range(4)]
        o, f, i = (sigmoid(b, gate) for gate in sums[:3])
        c = multiply_add(b, f, load(b, before), b.fmul(i, tanh(b, sums[3])))
        store(b, c, cell)
        store(b, b.fmul(o, tanh(b, c)), hidden)

    return _elementwise(4, 1, units)
