"""The 1 x 1 convolutions after a layer, over a whole batch: from its hidden features to
the residual stream and to the skip sums.

Maps are canvases, as described in scans.py. Both products of some rows follow each
other, so that the second one finds in the cache what the first one has read.
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
from model_core.compiled.map_products import (
    CHUNK,
    add_weight_gradient,
    affine,
    affine_back,
    stores,
)
from model_core.compiled.products import address
from model_core.compiled.vector_code import (
    INDEX,
    LANES,
    VECTOR_BYTES,
    Builder,
    load,
    relu,
)


@intrinsic
def _convert(_typing, like, source, rectifies, vectors, out):
    """Write source, or max(source, 0), to `out` as numbers of the type of the array
    `like`."""
    keep, kept_bytes = stores(like)

    def emit(
        context: Any, b: Builder, _signature: Any, arguments: list[ir.Value]
    ) -> ir.Value:
        _, source, rectifies, vectors, out = arguments
        asked = b.icmp_signed("!=", rectifies, INDEX(0))
        with cgutils.for_range(b, vectors) as loop:
            x = load(b, b.add(source, b.mul(loop.index, INDEX(VECTOR_BYTES))))
            keep(
                b,
                b.select(asked, relu(b, x), x),
                b.add(out, b.mul(loop.index, INDEX(kept_bytes))),
            )
        return context.get_dummy_value()

    return types.void(like, *[types.intp] * 4), emit


@njit(nogil=True)
def convert_rows(source, rectifies, out, first, last):
    """Write rows first <= m < last of the float32 map `source` to the map `out` as
    numbers of its type, negative numbers as zero if `rectifies` is 1."""
    vectors = (last - first) * source.shape[1] // LANES
    at, at_out = (
        address(source) + first * source.strides[0],
        address(out) + first * out.strides[0],
    )
    _convert(out, at, rectifies, vectors, at_out)


@njit(nogil=True)
def go_on(hidden, stream, out, skips, up, skip, first, last, residual):
    """Compute out = stream + up(hidden), or up(hidden) if residual is 0, and add
    skip(hidden) to skips, for rows first <= m < last.

    hidden: (M, h), a layer's features.
    stream, out: (M, 2h); may be one map.
    skips: (M, 2h); no rows if there are none.
    up, skip: products (map_products.Ahead).
    """
    here, nothing = np.zeros(1, np.int64), np.empty((0, 1), np.float32)
    start = stream if residual else nothing
    affine(hidden, here, up.weights, up.spans, up.bias, start, out, first, last, 0)
    if len(skips):
        affine(
            hidden,
            here,
            skip.weights,
            skip.spans,
            skip.bias,
            skips,
            skips,
            first,
            last,
            0,
        )


@njit(nogil=True)
def go_back_by_ways(d_up, d_skip, d_hidden, d_out, hidden, gate, up, skip):
    """Go back through the two 1 x 1 convolutions after a layer, for some rows: set
    d_out to the gradient of `hidden`, and add to the gradients of both convolutions.

    d_up, d_skip: (n, 2h), gradients of what the convolutions returned, of hidden's
        type; d_skip has no rows if there are no skips.
    d_hidden: float32 (n, h), scratch; overwritten.
    d_out: (n, h), of hidden's type.
    hidden: (n, h), what the convolutions read.
    gate: `hidden`, to set d_out to zero where it is not above zero; no rows for no
        gate.
    up, skip: products (map_products.Back), to whose gradients is added.
    """
    here, nothing = np.zeros(1, np.int64), np.zeros((1, hidden.shape[1]), np.float32)
    add_own_gradient(hidden, d_up, up)
    if len(d_skip):
        affine_back(
            d_up,
            here,
            up.weights,
            up.spans,
            nothing,
            hidden[:0],
            d_hidden,
            0,
            len(d_hidden),
            0,
        )
        affine_back(
            d_skip,
            here,
            skip.weights,
            skip.spans,
            d_hidden,
            gate,
            d_out,
            0,
            len(d_out),
            0,
        )
        add_own_gradient(hidden, d_skip, skip)
    else:
        affine_back(
            d_up, here, up.weights, up.spans, nothing, gate, d_out, 0, len(d_out), 0
        )


@njit(nogil=True)
def add_own_gradient(x, d_out, product):
    """Add to the gradients of a product (map_products.Back), a 1 x 1 convolution, given
    some rows of its input x and of the gradient d_out of its output."""
    here = np.zeros(1, np.int64)
    add_weight_gradient(
        x, here, d_out, product.own_spans, product.d_weights, product.d_bias, 0, len(x)
    )


@njit(nogil=True, cache=KEEP)
def forward_ways(hidden, stream, out, skips, up, skip, residual):
    """Do `go_on` for all rows, in parts. Arguments as for `go_on`."""
    for first in range(0, len(hidden), CHUNK):
        go_on(
            hidden,
            stream,
            out,
            skips,
            up,
            skip,
            first,
            min(first + CHUNK, len(hidden)),
            residual,
        )


@njit(nogil=True, cache=KEEP)
def backward_ways(d_stream, near, d_skips, d_hidden, hidden, up, skip):
    """Do `go_back_by_ways` for all rows, some at a time: fill d_hidden (M, h), float32,
    and add to the gradients of both products.

    d_stream: (M, 2h), float32, gradient of the stream.
    near: d_stream itself, or space for it in hidden's type.
    d_skips: (M, 2h), gradient of the skip sums; no rows if there are none.
    hidden: (M, h), the layer's features.
    up, skip: products (map_products.Back).
    """
    for first in range(0, len(hidden), CHUNK):
        last = min(first + CHUNK, len(hidden))
        if near.itemsize != d_stream.itemsize:
            convert_rows(d_stream, 0, near, first, last)
        target, own = d_hidden[first:last], hidden[first:last]
        go_back_by_ways(
            near[first:last],
            d_skips[first:last],
            target,
            target,
            own,
            own[:0],
            up,
            skip,
        )
