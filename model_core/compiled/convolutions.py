"""A PixelCNN block over a whole batch, forward and backward: ReLU, 1 x 1, ReLU, 3 x 3,
ReLU, then the 1 x 1 convolutions to the stream and to the skip sum.

Maps are canvases, as described in scans.py. A block goes over its maps once, some rows
of all of them at a time, so that one product finds in the cache what the one before has
written. The 3 x 3 reads only earlier rows, so the forward pass goes in order. On the
way back its gradient comes from later rows, so everything that needs that gradient is
computed that much later.

wide (M, 2h), narrow and hidden (M, h) have the same type, float32, or uint16 with the
bits of bf16, and have passed a ReLU; everything else is float32. batch is a multiple of
4, h of 16.
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
    """Set those of the rows first <= m < last to zero that lie outside the image.

    row: pixels in a row of the canvas.
    """
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
    """Run one block on all images, in place: update the stream (M, 2h) and the skip
    sums (M, 2h; no rows if there are none), and fill wide, narrow and hidden, which the
    backward pass needs. M is the number of positions of all images together.

    stream, skips: the residual stream and the sums of the skips.
    added: (M, h), what the conditioning map adds; no rows if there is none.
    wide, narrow, hidden: (M, 2h), (M, h), (M, h): overwritten with the results of the
        three ReLUs.
    down, spread, up, skip: the products of its convolutions (map_products.Ahead).
    steps: int64 (5,), the distance in rows of a map to what each tap of the 3 x 3
        reads, the farthest first.
    row: pixels in a row of the canvas.
    batch: images.
    residual: 1 to add to the stream, 0 to replace it.
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
    """Go back through one block, in place: change d_stream (M, 2h) from the gradient of
    the stream after the block to that of the stream before it.

    near: d_stream itself, or space for it in the type of `wide`.
    d_skips: (M, 2h), gradient of the skip sums in that type; no rows if there are none.
    d_spread: (M - steps[0], h), becomes the gradient of the sums of the 3 x 3; its rows
        from M on are zero.
    wide, narrow, hidden: as `forward_block` filled them.
    down, spread, up, skip: the products (map_products.Back), to whose gradients is
        added.
    steps, residual: as for `forward_block`.
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
