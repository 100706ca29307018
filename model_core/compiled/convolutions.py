"""A PixelCNN block over a whole batch, forward and backward: ReLU - 1x1 - ReLU - 3x3 - ReLU, then both ways on.

Maps are canvases, as scans.py draws them. A block goes over its maps once, some rows of all of them at a time, so that
what one product writes the next one finds in the cache. The 3x3 reads only backwards, so the first pass is in order; on
the way back its gradient comes from later rows, so what needs that one stays as far behind.

wide (M, 2h), narrow and hidden (M, h) are of one type, float32 or uint16 with the bits of bf16, and rectified; all else
is float32. batch is a multiple of 4, h of 16.
"""
# pyright: reportCallIssue=false
# numba passes an intrinsic's first parameter itself

import numpy as np
from numba import njit

from model_core.compiled import KEEP
from model_core.compiled.map_products import (
    CHUNK,
    add_weight_gradient,
    affine,
    affine_back,
)
from model_core.compiled.ways import (
    add_own_gradient,
    convert_rows,
    go_back_by_ways,
    go_on,
)


@njit(nogil=True)
def _clear_outside(narrow, row, batch, first, last):
    """Zeros in those of the rows first <= m < last that lie outside the image; row: positions in a row of it."""
    for position in range(first // batch, (last + batch - 1) // batch):
        if position < row or position % row == 0:
            narrow[max(first, position * batch) : min(last, (position + 1) * batch)] = 0


@njit(nogil=True, cache=KEEP)
def forward_block(
    stream,
    skips,
    added,
    wide,
    narrow,
    hidden,
    down,
    spread,
    up,
    skip,
    steps,
    row,
    batch,
    residual,
):
    """Advance the stream (M, 2h) and the skip sums (M, 2h), without rows for none; fill wide, narrow and hidden.

    down, spread, up and skip: the products, Ahead. added (M, h), without rows for none: the conditioning map. steps
    (5,): how many rows of a map on each tap of the 3x3 reads, the first the furthest back.
    """
    here, nothing, reach = (
        np.zeros(1, np.int64),
        np.empty((0, 1), np.float32),
        -steps[0],
    )
    hidden[:reach] = 0
    for first in range(0, len(stream), CHUNK):
        last = min(first + CHUNK, len(stream))
        convert_rows(stream, 1, wide, first, last)
        affine(
            wide,
            here,
            down.weights,
            down.spans,
            down.bias,
            nothing,
            narrow,
            first,
            last,
            1,
        )
        _clear_outside(narrow, row, batch, first, last)
        affine(
            narrow,
            steps,
            spread.weights,
            spread.spans,
            spread.bias,
            added,
            hidden,
            max(first, reach),
            last,
            1,
        )
        go_on(hidden, stream, stream, skips, up, skip, first, last, residual)


@njit(nogil=True, cache=KEEP)
def backward_block(
    d_stream,
    near,
    d_skips,
    d_spread,
    wide,
    narrow,
    hidden,
    down,
    spread,
    up,
    skip,
    steps,
    residual,
):
    """d_stream (M, 2h): from the gradient of the stream after the block to that of the stream before it.

    near is d_stream, or room for it as numbers of wide's type; d_skips (M, 2h), without rows for none, is the gradient
    of the skip sums in that type. d_spread (M - steps[0], h) becomes the gradient of what the 3x3 summed up; its rows
    from M on are zeros. down, spread, up and skip: the products, Back, whose gradients are added to.
    """
    M, rounds = len(wide), near.itemsize != d_stream.itemsize
    behind = (-steps[0] + CHUNK - 1) // CHUNK * CHUNK
    d_hidden, d_narrow = (
        np.empty((CHUNK, hidden.shape[1]), np.float32),
        np.empty((CHUNK, hidden.shape[1]), wide.dtype),
    )
    for first in range(0, M + behind, CHUNK):
        if first < M:
            last = min(first + CHUNK, M)
            if rounds:
                convert_rows(d_stream, 0, near, first, last)
            d_out, own = d_spread[first:last], hidden[first:last]
            go_back_by_ways(
                near[first:last],
                d_skips[first:last],
                d_hidden[: last - first],
                d_out,
                own,
                own,
                up,
                skip,
            )
            begin = max(first, -steps[0])
            add_weight_gradient(
                narrow,
                steps,
                d_spread,
                spread.own_spans,
                spread.d_weights,
                spread.d_bias,
                begin,
                last,
            )
        if first >= behind:
            begin, end = first - behind, min(first - behind + CHUNK, M)
            d_own, own, read = (
                d_narrow[: end - begin],
                narrow[begin:end],
                wide[begin:end],
            )
            _go_back(d_spread[begin:], -steps, spread, own, d_own, 0)
            add_own_gradient(read, d_own, down)
            _go_back(
                d_own, np.zeros(1, np.int64), down, read, d_stream[begin:end], residual
            )


@njit(nogil=True)
def _go_back(d_out, steps, product, gate, target, adds):
    """target, or what is added to it: the gradient of what a product read, where the gate is open."""
    nothing = np.zeros((1, target.shape[1]), np.float32)
    affine_back(
        d_out,
        steps,
        product.weights,
        product.spans,
        nothing,
        gate,
        target,
        0,
        len(target),
        adds,
    )
