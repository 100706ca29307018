"""One LSTM cell (equation 3) of four images, 16 hidden units at a time, as numba
intrinsics.

Arguments are byte addresses of the first of the four rows; the rows of one position
follow each other. Gates are stored as h / 16 chunks of [o, f, i, g], 16 floats each: a
chunk is one tile, so the cell stays in registers. `like` is an array of the numbers
that products multiply: float32, or uint16 for bf16 (map_products.py).
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from model_core.compiled.map_products import multiplies, stores
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
    rows_apart,
    side_by_side,
    sigmoid,
    store,
    tanh,
)


@intrinsic
def forward_cell(
    _typing,
    like,
    gates,
    gate_bytes,
    beside,
    words,
    weights,
    cell_before,
    cell,
    hidden,
    units,
):
    """Complete the sums of the gates of four images with the hidden state `beside`, and
    compute cell and hidden state. All arguments but `like`, sizes and counts are byte
    addresses of the first of four rows.

    like: an array of the type of the numbers that products multiply.
    gates: hold their other sums; overwritten with their values after the nonlinearity,
        which the backward pass needs.
    gate_bytes: from one row of gates to the next.
    beside, words, weights: hidden state of the pixel beside, `words` words of 32 bits
        in each row (0 words if there is none), and the weights for it.
    cell_before: the cell state that this one continues.
    cell, hidden: overwritten; hidden with numbers of the type of `like`.
    units: h, a multiple of 16.
    """
    multiply, (keep, kept_bytes) = multiplies(like), stores(like)

    def emit(
        context: Any, b: Builder, _signature: Any, arguments: list[ir.Value]
    ) -> ir.Value:
        (
            _,
            gates,
            gate_bytes,
            beside,
            words,
            weights,
            cell_before,
            cell,
            hidden,
            units,
        ) = arguments
        state_bytes, hidden_bytes = (
            b.mul(units, INDEX(4)),
            b.mul(units, INDEX(kept_bytes * 4 // VECTOR_BYTES)),
        )
        places = rows_apart(b, gates, gate_bytes)
        tile = new_tile(
            b, [[load(b, at) for at in side_by_side(b, place)] for place in places]
        )
        left = rows_apart(b, beside, hidden_bytes)
        add_product(
            b,
            tile,
            left,
            words,
            side_by_side(b, weights),
            INDEX(COLUMNS * VECTOR_BYTES),
            multiply=multiply,
        )
        for r, row in enumerate(tile):
            o, f, i = (sigmoid(b, b.load(slot)) for slot in row[:3])
            g = tanh(b, b.load(row[3]))
            c = multiply_add(
                b, f, load(b, offset(b, cell_before, state_bytes, r)), b.fmul(i, g)
            )
            for v, gate in enumerate((o, f, i, g)):
                store(b, gate, b.add(places[r], INDEX(VECTOR_BYTES * v)))
            store(b, c, offset(b, cell, state_bytes, r))
            keep(b, b.fmul(o, tanh(b, c)), offset(b, hidden, hidden_bytes, r))
        return context.get_dummy_value()

    return types.void(like, *[types.intp] * 9), emit


@intrinsic
def backward_cell(
    _typing,
    like,
    gates,
    d_gates,
    d_gate_bytes,
    d_bias,
    cell,
    before,
    d_hidden,
    d_output,
    d_cell,
    d_before,
    units,
):
    """Go back through a cell of four images: write the gradient of the gates' sums to
    d_gates, as numbers of the type of `like`, add it to d_bias, and add that of the
    cell before to d_before. All arguments but `like`, `d_gate_bytes` and `units` are
    byte addresses of the first of four rows.

    gates, cell: as `forward_cell` left them.
    d_gate_bytes: from one row of d_gates to the next.
    before: the cell state that this one continues.
    d_hidden, d_output: their sum is the gradient of the hidden state: from the cells
        that read it, and from the layer above.
    d_cell: gradient of the cell from those after it.
    units: h, a multiple of 16.
    """
    keep, kept_bytes = stores(like)

    def emit(
        context: Any, b: Builder, _signature: Any, arguments: list[ir.Value]
    ) -> ir.Value:
        _, gates, d_gates, d_gate_bytes, d_bias, *states, units = arguments
        state_bytes, gate_bytes = b.mul(units, INDEX(4)), b.mul(units, INDEX(16))
        sums = [load(b, at) for at in side_by_side(b, d_bias)]
        for r in range(ROWS):
            row = offset(b, gates, gate_bytes, r)
            o, f, i, g = (
                load(b, b.add(row, INDEX(VECTOR_BYTES * v))) for v in range(COLUMNS)
            )
            *places, target = (offset(b, state, state_bytes, r) for state in states)
            c, c_before, dh, from_above, dc = (load(b, place) for place in places)
            gradients, d_before = _cell_gradients(
                b, (o, f, i, g), c, c_before, b.fadd(dh, from_above), dc
            )
            kept = offset(b, d_gates, d_gate_bytes, r)
            for v, gradient in enumerate(gradients):
                keep(b, gradient, b.add(kept, INDEX(kept_bytes * v)))
                sums[v] = b.fadd(sums[v], gradient)
            store(b, b.fadd(d_before, load(b, target)), target)
        for total, at in zip(sums, side_by_side(b, d_bias), strict=True):
            store(b, total, at)
        return context.get_dummy_value()

    return types.void(like, *[types.intp] * 11), emit


def _cell_gradients(
    b: Builder,
    gates: tuple[ir.Value, ...],
    cell: ir.Value,
    before: ir.Value,
    dh: ir.Value,
    dc: ir.Value,
) -> tuple[tuple[ir.Value, ...], ir.Value]:
    """Return the gradients of the sums of o, f, i and g, and of the cell before.

    dc: gradient of the cell from those after it.
    """
    o, f, i, g = gates
    one, squashed = constant(1.0), tanh(b, cell)
    dc = multiply_add(b, b.fmul(dh, o), b.fsub(one, b.fmul(squashed, squashed)), dc)
    return (
        b.fmul(b.fmul(dh, squashed), b.fmul(o, b.fsub(one, o))),
        b.fmul(b.fmul(dc, before), b.fmul(f, b.fsub(one, f))),
        b.fmul(b.fmul(dc, g), b.fmul(i, b.fsub(one, i))),
        b.fmul(b.fmul(dc, i), b.fsub(one, b.fmul(g, g))),
    ), b.fmul(dc, f)
