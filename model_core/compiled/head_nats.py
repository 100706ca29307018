"""The last 1 x 1 of the head with the softmax after it, some positions at a time, so
that the logits never leave the cache.

This is the compiled form of distribution.Categorical's nats, for numbers of values that
are multiples of 16.
"""
# pyright: reportCallIssue=false
# numba passes an intrinsic's first parameter itself

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from model_core.compiled import KEEP
from model_core.compiled.map_products import APART, add_weight_gradient, affine, stores
from model_core.compiled.products import address
from model_core.compiled.vector_code import (
    FLOAT,
    FLOAT_BYTES,
    INDEX,
    LANES,
    VECTOR,
    VECTOR_BYTES,
    Builder,
    broadcast,
    constant,
    exp,
    load,
    store,
)

ROWS = 64
"""Positions at a time."""


def _reduced(b: Builder, name: str, vector: ir.Value, *start: ir.Value) -> ir.Value:
    signature = ir.FunctionType(FLOAT, [FLOAT] * len(start) + [VECTOR])
    function = cgutils.get_or_insert_function(
        b.module, signature, f"llvm.vector.reduce.{name}.v{LANES}f32"
    )
    return b.call(function, [*start, vector])


@intrinsic
def _exponentials(_typing, logits, vectors, facts):
    def emit(
        context: Any, b: Builder, _signature: Any, arguments: list[ir.Value]
    ) -> ir.Value:
        logits, vectors, facts = arguments
        best, total = cgutils.alloca_once(b, VECTOR), cgutils.alloca_once(b, VECTOR)
        b.store(load(b, logits), best)
        b.store(constant(0.0), total)
        with cgutils.for_range(b, vectors) as loop:
            x, so_far = (
                load(b, b.add(logits, b.mul(loop.index, INDEX(VECTOR_BYTES)))),
                b.load(best),
            )
            b.store(b.select(b.fcmp_ordered("<", so_far, x), x, so_far), best)
        largest = _reduced(b, "fmax", b.load(best))
        shift = broadcast(b, largest)
        with cgutils.for_range(b, vectors) as loop:
            at = b.add(logits, b.mul(loop.index, INDEX(VECTOR_BYTES)))
            power = exp(b, b.fsub(load(b, at), shift))
            store(b, power, at)
            b.store(b.fadd(b.load(total), power), total)
        pair = b.inttoptr(facts, FLOAT.as_pointer())
        b.store(largest, pair)
        b.store(_reduced(b, "fadd", b.load(total), FLOAT(0.0)), b.gep(pair, [INDEX(1)]))
        return context.get_dummy_value()

    return types.void(*[types.intp] * 3), emit


@intrinsic
def _scale(_typing, like, source, factor, vectors, out):
    """Write source * factor to `out`, as numbers of the type of the array `like`."""
    keep, kept_bytes = stores(like)

    def emit(
        context: Any, b: Builder, _signature: Any, arguments: list[ir.Value]
    ) -> ir.Value:
        _, source, factor, vectors, out = arguments
        times = broadcast(b, factor)
        with cgutils.for_range(b, vectors) as loop:
            x = load(b, b.add(source, b.mul(loop.index, INDEX(VECTOR_BYTES))))
            keep(b, b.fmul(x, times), b.add(out, b.mul(loop.index, INDEX(kept_bytes))))
        return context.get_dummy_value()

    return types.void(like, types.intp, types.float32, types.intp, types.intp), emit


@njit(nogil=True, cache=KEEP)
def head_nats(wide, weights, spans, bias, values, count, nats, slopes):
    """Fill nats (M, C) with -ln p of values (M, C), each in 0..count-1, under a softmax
    for each colour of the logits wide (M, I) @ weights + bias.

    wide: (M, I), the input of the last 1 x 1; M positions.
    weights, spans: panels, and the range of inputs that each reads (map_products.py).
    bias: float32 (C * count,).
    count: V, a multiple of 16.
    slopes: (M, C * count), filled with the gradients of the logits for a gradient of 1
        of each position's nats; no rows if they are not needed.
    """
    M, colours = values.shape
    keeps = len(slopes) > 0
    scratch, nothing = (
        np.empty((ROWS, colours * count + APART), np.float32),
        np.empty((0, 1), np.float32),
    )
    facts, step = np.empty(2, np.float32), np.zeros(1, np.int64)
    vectors = count // LANES
    for first in range(0, M, ROWS):
        last = min(first + ROWS, M)
        logits = (
            slopes[first:last] if keeps else scratch[: last - first, : colours * count]
        )
        affine(
            wide[first:last],
            step,
            weights,
            spans,
            bias,
            nothing,
            logits,
            0,
            last - first,
            0,
        )
        for row in range(last - first):
            for colour in range(colours):
                own = colour * count + values[first + row, colour]
                at, logit = (
                    address(logits)
                    + row * logits.strides[0]
                    + colour * count * FLOAT_BYTES,
                    logits[row, own],
                )
                _exponentials(at, vectors, address(facts))
                nats[first + row, colour] = np.log(facts[1]) + facts[0] - logit
                if keeps:
                    _scale(facts, at, np.float32(1.0) / facts[1], vectors, at)
                    logits[row, own] -= np.float32(1.0)


@njit(nogil=True, cache=KEEP)
def head_gradients(
    wide, slopes, d_nats, weights_t, spans_t, spans, d_wide, d_weights, d_bias
):
    """Go back through `head_nats`, given d_nats (M, C), the gradient of its nats: fill
    d_wide (M, I), and add to d_weights (1, I, C * count) and d_bias (C * count,).

    wide, slopes: as `head_nats` had and filled them.
    weights_t, spans_t: the transposed weights, from logits to inputs, and the range
        that each panel reads.
    spans: those of d_weights.
    """
    M, colours = d_nats.shape
    columns = slopes.shape[1]
    count = columns // colours
    scratch = np.empty((2 * ROWS, columns + 2 * APART), wide.dtype)
    nothing, no_bias = (
        np.empty((0, 1), np.float32),
        np.zeros(d_wide.shape[1] + LANES, np.float32),
    )
    step = np.zeros(1, np.int64)
    for first in range(0, M, 2 * ROWS):
        last = min(first + 2 * ROWS, M)
        d_logits = scratch[: last - first, :columns]
        for row in range(last - first):
            for colour in range(colours):
                source = (
                    address(slopes)
                    + (first + row) * slopes.strides[0]
                    + colour * count * FLOAT_BYTES
                )
                out = (
                    address(d_logits)
                    + row * d_logits.strides[0]
                    + colour * count * wide.itemsize
                )
                _scale(wide, source, d_nats[first + row, colour], count // LANES, out)
        affine(
            d_logits,
            step,
            weights_t,
            spans_t,
            no_bias,
            nothing,
            d_wide[first:last],
            0,
            last - first,
            0,
        )
        add_weight_gradient(
            wide[first:last], step, d_logits, spans, d_weights, d_bias, 0, last - first
        )
