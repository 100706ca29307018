"""Products of whole maps with weights, for training on or scoring a batch: in float32,
or of pairs of bf16 numbers.

A map is a matrix with a row of features for each position of each image. What a product
reads is a table of int64 triples, one for each neighbour: address of the first row's
features, bytes from one row to the next, words of a row. A word is 32 bits, one float32
or two bf16 numbers. Weights are *panels* (panels, words of all neighbours, 32 columns):
a panel stays in the first cache while all rows are multiplied with it.

Sums are always float32. `like` is any array of the numbers that are multiplied:
float32, or uint16 with the bits of bf16, for which the CPU must have AVX512-BF16.
"""
# pyright: reportCallIssue=false
# numba passes an intrinsic's first parameter itself

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from model_core.compiled import KEEP, LEAN
from model_core.compiled.products import address
from model_core.compiled.vector_code import (
    FLOAT_BYTES,
    HALVES,
    INDEX,
    INTEGERS,
    LANES,
    VECTOR_BYTES,
    Builder,
    Multiply,
    Tile,
    add_product,
    constant,
    load,
    multiply_add,
    multiply_add_pairs,
    new_tile,
    relu,
    rows_apart,
    side_by_side,
    store,
    store_bf16,
)

VECTORS = 2
PANEL = VECTORS * LANES
"""Columns of weights that are used together."""
PANEL_BYTES = PANEL * FLOAT_BYTES
TALL = 8
"""Rows of the usual tile. With its two vectors of columns there are enough sums that
none waits for its own last multiply-add."""
TRIPLE = 3
CHUNK = 256
"""Rows of a map that are multiplied with all panels before the next rows are."""
BLOCK = 64
"""Rows of a map whose part of a weight gradient is summed in registers."""
APART = LANES
"""Floats left free after a row of a scratch map, so that many rows do not share few
lines of the first cache."""


class Ahead(NamedTuple):
    """A product of a map with weights, in the form that `affine` takes."""

    weights: Any
    """Panels (panels, words, 32)."""
    spans: Any
    """int64 (panels, 2): the range of words, first and end, that the columns of each
    panel read."""
    bias: Any
    """float32 (O,)."""


class Back(NamedTuple):
    """The same product for the backward pass, in the form that `affine_back` and
    `add_weight_gradient` take."""

    weights: Any
    """The transposed weights as panels."""
    spans: Any
    """Their spans."""
    d_weights: Any
    """float32 (neighbours, I, O): the gradient, to which is added."""
    d_bias: Any
    """float32 (O,): the gradient, to which is added."""
    own_spans: Any
    """int64 (panels, 2): spans of the weights themselves, in features."""


FINISH = types.UniTuple(types.intp, 4)
"""What is done to a sum before it is stored; see multiply_rows."""
AS_IT_IS = 0, 0, 0, 0

_SHAPES = [
    (rows, columns) for columns in range(VECTORS, 0, -1) for rows in (TALL, 4, 1)
]


def multiplies(like: types.Array) -> Multiply:
    """Return the function that emits code for x * y + z of vectors of numbers of an
    array of this numba type: float32, or uint16 for bf16."""
    return multiply_add if like.dtype == types.float32 else multiply_add_pairs


def stores(
    like: types.Array,
) -> tuple[Callable[[Builder, ir.Value, ir.Value], None], int]:
    """Return the function that emits code to store a vector of floats as numbers of an
    array of this numba type, and the bytes that the vector then has."""
    return (
        (store, VECTOR_BYTES)
        if like.dtype == types.float32
        else (store_bf16, VECTOR_BYTES // 2)
    )


@intrinsic
def _add_tile(
    _typing,
    like,
    target,
    rows,
    columns,
    reads,
    count,
    row,
    bias,
    start,
    start_bytes,
    weights,
    out,
    out_bytes,
    finish,
):
    """Compute one tile, of one of the shapes: out = bias + start + (what the table
    lists, from row `row` of each on) @ weights.

    bias: an address, or 0.
    out: holds numbers of the type of the array `target`.
    finish: as for `multiply_rows`.
    """
    multiply, (keep, kept_bytes) = multiplies(like), stores(target)
    number_bytes = FLOAT_BYTES if like.dtype == types.float32 else FLOAT_BYTES // 2

    def emit(
        context: Any, b: Builder, _signature: Any, arguments: list[ir.Value]
    ) -> ir.Value:
        (
            _,
            _,
            rows,
            columns,
            reads,
            count,
            row,
            bias,
            start,
            start_bytes,
            weights,
            out,
            out_bytes,
            finish,
        ) = arguments
        rectify, gate, gate_bytes, adds = (
            b.extract_value(finish, field) for field in range(4)
        )
        for tall, wide in _SHAPES:
            is_tall, is_wide = (
                b.icmp_signed("==", rows, INDEX(tall)),
                b.icmp_signed("==", columns, INDEX(wide)),
            )
            with b.if_then(b.and_(is_tall, is_wide)):
                tile = _started(b, rows_apart(b, start, start_bytes, tall), bias, wide)
                _add_reads(b, tile, reads, count, row, weights, multiply)
                _rectify(b, tile, rectify)
                places = rows_apart(b, out, out_bytes, tall)
                _pass_gate(
                    b, tile, rows_apart(b, gate, gate_bytes, tall), gate, number_bytes
                )
                if target.dtype == types.float32:
                    _add_rows(b, tile, places, adds)
                for slots, place in zip(tile, places, strict=True):
                    for v, slot in enumerate(slots):
                        keep(b, b.load(slot), b.add(place, INDEX(kept_bytes * v)))
        return context.get_dummy_value()

    return types.void(like, target, *[types.intp] * 11, FINISH), emit


def _started(b: Builder, starts: list[ir.Value], bias: ir.Value, columns: int) -> Tile:
    tile = new_tile(
        b, [[load(b, at) for at in side_by_side(b, place, columns)] for place in starts]
    )
    with b.if_then(b.icmp_signed("!=", bias, INDEX(0))):
        biases = [load(b, at) for at in side_by_side(b, bias, columns)]
        for slots in tile:
            for slot, each in zip(slots, biases, strict=True):
                b.store(b.fadd(b.load(slot), each), slot)
    return tile


def _add_reads(
    b: Builder,
    tile: Tile,
    reads: ir.Value,
    count: ir.Value,
    row: ir.Value,
    weights: ir.Value,
    multiply: Multiply,
) -> None:
    at_weights = cgutils.alloca_once(b, INDEX)
    b.store(weights, at_weights)
    with cgutils.for_range(b, count) as loop:
        triple = b.inttoptr(
            b.add(reads, b.mul(loop.index, INDEX(8 * TRIPLE))), INDEX.as_pointer()
        )
        first, stride, words = (
            b.load(b.gep(triple, [INDEX(field)])) for field in range(TRIPLE)
        )
        left = rows_apart(b, b.add(first, b.mul(row, stride)), stride, len(tile))
        here = b.load(at_weights)
        columns = side_by_side(b, here, len(tile[0]))
        add_product(
            b, tile, left, words, columns, INDEX(PANEL_BYTES), multiply=multiply
        )
        b.store(b.add(here, b.mul(words, INDEX(PANEL_BYTES))), at_weights)


def _rectify(b: Builder, tile: Tile, asked: ir.Value) -> None:
    with b.if_then(b.icmp_signed("!=", asked, INDEX(0))):
        for slots in tile:
            for slot in slots:
                b.store(relu(b, b.load(slot)), slot)


def _pass_gate(
    b: Builder, tile: Tile, rows: list[ir.Value], gate: ir.Value, number_bytes: int
) -> None:
    """Replace sums by zero where the gate's number is not above zero. Sign and bits say
    that for floats as for integers."""
    numbers = INTEGERS if number_bytes == FLOAT_BYTES else HALVES
    with b.if_then(b.icmp_signed("!=", gate, INDEX(0))):
        for slots, row in zip(tile, rows, strict=True):
            for v, slot in enumerate(slots):
                at = b.inttoptr(
                    b.add(row, INDEX(LANES * number_bytes * v)), numbers.as_pointer()
                )
                is_open = b.icmp_signed(
                    ">", b.load(at, align=number_bytes), ir.Constant(numbers, None)
                )
                b.store(b.select(is_open, b.load(slot), constant(0.0)), slot)


def _add_rows(b: Builder, tile: Tile, rows: list[ir.Value], asked: ir.Value) -> None:
    with b.if_then(b.icmp_signed("!=", asked, INDEX(0))):
        for slots, row in zip(tile, rows, strict=True):
            for slot, at in zip(slots, side_by_side(b, row, len(slots)), strict=True):
                b.store(b.fadd(b.load(slot), load(b, at)), slot)


@njit(**LEAN)
def multiply_rows(
    like,
    target,
    reads,
    count,
    bias,
    start,
    start_bytes,
    weights,
    panel_bytes,
    vectors,
    out,
    out_bytes,
    finish,
):
    """Compute out = bias + start + reads @ weights for `count` rows and `vectors`
    vectors of 16 columns. Addresses are integers, in bytes.

    like: an array of the type of the numbers that are multiplied: float32, or uint16
        for bf16.
    target: an array of the type that is written to `out`.
    reads: int64 (neighbours, 3), what each row reads: address of the first row's
        features, bytes from one row to the next, words of 32 bits.
    bias: address of a vector; 0 for none.
    start, start_bytes: address of rows that are added, which may be `out`, and the
        bytes from one to the next; 0 bytes to add one row to all.
    weights, panel_bytes: address of the first panel (32 columns), and the bytes from
        one panel to the next.
    out, out_bytes: address of the rows that are written, and the bytes from one to the
        next.
    finish: four integers, what is done to a sum before it is stored. (1, 0, 0, 0)
        replaces negative sums by zero. (0, gate, bytes, adds) replaces a sum by zero
        where the map at address `gate`, whose rows are `bytes` bytes apart, is not
        above zero. With adds = 1 it also adds what is in out, which is float32 then.
        AS_IT_IS does nothing.
    """
    rectify, gate, gate_bytes, adds = finish
    for vector in range(0, vectors, VECTORS):
        across, panel = vector * VECTOR_BYTES, weights + vector // VECTORS * panel_bytes
        row = 0
        while row < count:
            rows = TALL if count - row >= TALL else 4 if count - row >= 4 else 1
            _add_tile(
                like,
                target,
                rows,
                min(VECTORS, vectors - vector),
                reads.ctypes.data,
                len(reads),
                row,
                bias + across if bias else bias,
                start + row * start_bytes + across,
                start_bytes,
                panel,
                out + row * out_bytes + vector * LANES * target.itemsize,
                out_bytes,
                (
                    rectify,
                    gate + row * gate_bytes + vector * LANES * like.itemsize
                    if gate
                    else gate,
                    gate_bytes,
                    adds,
                ),
            )
            row += rows


@intrinsic
def _add_outer_tile(
    _typing,
    like,
    rows,
    columns,
    left,
    left_bytes,
    right,
    right_bytes,
    count,
    out,
    out_bytes,
):
    """Add left (count x 8 or 1) transposed @ right (count x up to 32) to out (8 or 1 x
    up to 32)."""
    multiply = multiplies(like)

    def emit(
        context: Any, b: Builder, _signature: Any, arguments: list[ir.Value]
    ) -> ir.Value:
        (
            _,
            rows,
            columns,
            left,
            left_bytes,
            right,
            right_bytes,
            count,
            out,
            out_bytes,
        ) = arguments
        for tall, wide in (
            (tall, wide) for tall in (TALL, 1) for wide in range(VECTORS, 0, -1)
        ):
            is_tall, is_wide = (
                b.icmp_signed("==", rows, INDEX(tall)),
                b.icmp_signed("==", columns, INDEX(wide)),
            )
            with b.if_then(b.and_(is_tall, is_wide)):
                places = rows_apart(b, out, out_bytes, tall)
                tile = new_tile(
                    b,
                    [
                        [load(b, at) for at in side_by_side(b, place, wide)]
                        for place in places
                    ],
                )
                across = rows_apart(b, left, INDEX(FLOAT_BYTES), tall)
                below = side_by_side(b, right, wide)
                add_product(
                    b,
                    tile,
                    across,
                    count,
                    below,
                    right_bytes,
                    step=left_bytes,
                    multiply=multiply,
                )
                for slots, place in zip(tile, places, strict=True):
                    for slot, at in zip(
                        slots, side_by_side(b, place, wide), strict=True
                    ):
                        store(b, b.load(slot), at)
        return context.get_dummy_value()

    return types.void(like, *[types.intp] * 9), emit


@njit(**LEAN)
def add_outer(
    like, left, left_bytes, inputs, right, right_bytes, vectors, count, out, out_bytes
):
    """Add left (count x inputs) transposed @ right (count x columns) to out (inputs x
    columns), float32. All three are addresses, with the bytes from one row to the next.

    like: an array of the type of the numbers: float32, or uint16 for bf16; then `count`
        counts pairs of rows as `pair_rows` makes them.
    inputs: 1, or left and out have space for a multiple of 8.
    vectors: columns / 16.
    """
    tall = TALL if inputs > 1 else 1
    for first in range(0, count, BLOCK):
        for vector in range(0, vectors, VECTORS):
            across = vector * VECTOR_BYTES
            for feature in range(0, inputs, tall):
                _add_outer_tile(
                    like,
                    tall,
                    min(VECTORS, vectors - vector),
                    left + first * left_bytes + feature * FLOAT_BYTES,
                    left_bytes,
                    right + first * right_bytes + across,
                    right_bytes,
                    min(BLOCK, count - first),
                    out + feature * out_bytes + across,
                    out_bytes,
                )


@intrinsic
def _pair_vectors(_typing, upper, lower, vectors, out):
    """Write two rows of bf16 numbers, 16 * vectors each, to `out`, one number from each
    in turn."""

    def emit(
        context: Any, b: Builder, _signature: Any, arguments: list[ir.Value]
    ) -> ir.Value:
        upper, lower, vectors, out = arguments
        both = [i // 2 + i % 2 * LANES for i in range(2 * LANES)]
        order, pair = (
            ir.Constant(ir.VectorType(ir.IntType(32), 2 * LANES), both),
            ir.VectorType(ir.IntType(16), 2 * LANES),
        )
        with cgutils.for_range(b, vectors) as loop:
            across = b.mul(loop.index, INDEX(VECTOR_BYTES // 2))
            halves = [
                b.load(b.inttoptr(b.add(row, across), HALVES.as_pointer()), align=2)
                for row in (upper, lower)
            ]
            place = b.add(out, b.mul(loop.index, INDEX(VECTOR_BYTES)))
            b.store(
                b.shuffle_vector(*halves, order),
                b.inttoptr(place, pair.as_pointer()),
                align=4,
            )
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), emit


@njit(**LEAN)
def pair_rows(rows, row_bytes, count, vectors, out, out_bytes):
    """Write rows of bf16 numbers (count, 16 * vectors) at the address `rows`,
    `row_bytes` apart, as pairs of rows (count / 2, 16 * vectors, 2) to the address
    `out`, `out_bytes` apart."""
    for pair in range(count // 2):
        upper = rows + 2 * pair * row_bytes
        _pair_vectors(upper, upper + row_bytes, vectors, out + pair * out_bytes)


@njit(**LEAN)
def fill_read(reads, k, base, row, row_bytes, words):
    """Fill entry k of a table of reads, int64 (n, 3): `words` words of 32 bits of each
    row, `row_bytes` apart, from row `row` of the map at the address `base` on."""
    reads[k, 0], reads[k, 1], reads[k, 2] = base + row * row_bytes, row_bytes, words


@njit(nogil=True, cache=KEEP)
def affine(x, steps, weights, spans, bias, start, out, first, last, rectify):
    """Compute out[m] = bias + start[m] + the sum over k of x[m + steps[k]] @ weights of
    k, for rows first <= m < last.

    x: (M, I), float32, or uint16 for bf16, with space in its rows for whole words of 32
        bits.
    steps: int64, the distance in rows to what each neighbour reads.
    weights: (panels, len(steps) * words of I, 32), of the same type.
    spans: (panels, 2), the range of words, first and end, that the columns of a panel
        read.
    bias: float32 (O,).
    start: float32 (M, O); no rows if there is none.
    out: (M, O), of x's type; O is a multiple of 16.
    rectify: 1 to replace negative results by zero.
    """
    at_bias, at_start, start_bytes = address(bias), address(start), start.strides[0]
    if len(start) == 0:
        at_bias, at_start, start_bytes = 0, at_bias, 0
    _go_by(
        x,
        steps,
        weights,
        spans,
        at_bias,
        at_start,
        start_bytes,
        out,
        first,
        last,
        (rectify, 0, 0, 0),
    )


@njit(nogil=True, cache=KEEP)
def affine_back(x, steps, weights, spans, start, gate, out, first, last, adds):
    """Compute the gradient before a ReLU and a product: out[m] = start[m] + the sum
    over k of x[m + steps[k]] @ weights of k where gate[m] > 0, else 0.

    gate: (M, O), of the type of x; no rows if there is none.
    start: (M, O), or (1, O), one row for all.
    adds: 1 to add the result to out, which is float32 then.

    The other arguments are those of `affine`.
    """
    at_gate = address(gate) if len(gate) else 0
    start_bytes = start.strides[0] if len(start) > 1 else 0
    finish = (0, at_gate, gate.strides[0], adds)
    _go_by(
        x,
        steps,
        weights,
        spans,
        0,
        address(start),
        start_bytes,
        out,
        first,
        last,
        finish,
    )


@njit(nogil=True)
def _go_by(
    x, steps, weights, spans, bias, start, start_bytes, out, first, last, finish
):
    """Do `affine` or `affine_back`. bias, which is 0 for none, and start are addresses;

    finish: as for `multiply_rows`.
    """
    reads = np.empty((len(steps), TRIPLE), np.int64)
    rectify, gate, gate_bytes, adds = finish
    for chunk in range(first, last, CHUNK):
        for panel in range(len(weights)):
            begin, end = spans[panel]
            column = panel * PANEL
            vectors = min(PANEL, out.shape[1] - column) // LANES
            for k in range(len(steps)):
                at, bytes_ = address(x) + begin * FLOAT_BYTES, x.strides[0]
                fill_read(reads, k, at, chunk + steps[k], bytes_, end - begin)
            at_weights = (
                address(weights) + panel * weights.strides[0] + begin * PANEL_BYTES
            )
            across = column * FLOAT_BYTES
            at_gate = gate + chunk * gate_bytes + column * x.itemsize if gate else gate
            multiply_rows(
                weights,
                out,
                reads,
                min(CHUNK, last - chunk),
                bias + across if bias else bias,
                start + chunk * start_bytes + across,
                start_bytes,
                at_weights,
                0,
                vectors,
                address(out) + chunk * out.strides[0] + column * out.itemsize,
                out.strides[0],
                (rectify, at_gate, gate_bytes, adds),
            )


@njit(nogil=True, cache=KEEP)
def add_weight_gradient(x, steps, d_out, spans, d_weights, d_bias, first, last):
    """Add x[m + steps[k]] transposed @ d_out[m] to d_weights[k], and d_out[m] to
    d_bias, for rows first <= m < last.

    x, d_out: (M, I) and (M, O), of one type: float32, or uint16 for bf16, with an even
        number of rows.
    steps: int64, the distance in rows to what each neighbour reads.
    spans: (panels, 2), the range of features, first and end, that the columns of a
        panel read; those of `affine` count words.
    d_weights: float32 (len(steps), I, O).
    d_bias: float32 (O,).

    O is a multiple of 16, and I too, or x and d_weights have space for it.
    """
    inputs, columns = x.shape[1], d_out.shape[1]
    is_paired = x.itemsize != FLOAT_BYTES
    vectors = (inputs + LANES - 1) // LANES
    pairs = np.empty((BLOCK, vectors * LANES + columns + 2 * APART), np.uint32)
    ones = np.full(1, 0x3F803F80 if is_paired else 0x3F800000, np.uint32)
    for block in range(first, last, 2 * BLOCK):
        count = below = min(2 * BLOCK, last - block)
        right, right_bytes = address(d_out) + block * d_out.strides[0], d_out.strides[0]
        if is_paired:
            at_right = address(pairs) + (vectors * LANES + APART) * FLOAT_BYTES
            pair_rows(
                right, right_bytes, count, columns // LANES, at_right, pairs.strides[0]
            )
            right, right_bytes, below = at_right, pairs.strides[0], count // 2
        for k in range(len(steps)):
            left, left_bytes = (
                address(x) + (block + steps[k]) * x.strides[0],
                x.strides[0],
            )
            if is_paired:
                pair_rows(
                    left, left_bytes, count, vectors, address(pairs), pairs.strides[0]
                )
                left, left_bytes = address(pairs), pairs.strides[0]
            for panel in range(len(spans)):
                begin, end = spans[panel, 0] // TALL * TALL, spans[panel, 1]
                across = panel * PANEL * FLOAT_BYTES
                add_outer(
                    x,
                    left + begin * FLOAT_BYTES,
                    left_bytes,
                    max(end - begin, 2),
                    right + across,
                    right_bytes,
                    min(PANEL, columns - panel * PANEL) // LANES,
                    below,
                    address(d_weights)
                    + k * d_weights.strides[0]
                    + begin * d_weights.strides[1]
                    + across,
                    d_weights.strides[1],
                )
        add_outer(
            x,
            address(ones),
            0,
            1,
            right,
            right_bytes,
            columns // LANES,
            below,
            address(d_bias),
            0,
        )
