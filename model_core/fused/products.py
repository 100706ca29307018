"""Convolutions, 1 x 1 and 3 x 3, on canvases (canvas.py), between the scans, as
compiled products.

The features of a position are adjacent in memory. So a 3 x 3 is a sum of products, one
for each of the five neighbours that its mask leaves. A colour group is a range of
columns, so whole panels of columns that a mask hides are skipped
(compiled/map_products.py). Values and gradients equal those of MaskedConv2d up to
float32 rounding. Both factors of a product have the same type, float32 or bfloat16;
sums and the gradients of weights are float32.

M is the number of rows of a canvas, I and O are the inputs and outputs of a 1 x 1
convolution.
"""

from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from model_core.compiled.map_products import (
    PANEL,
    Ahead,
    Back,
    add_weight_gradient,
    affine,
)
from model_core.compiled.vector_code import LANES
from model_core.fused.kept import kept_operands
from model_core.fused.panels import bits, panels
from model_core.layers.masked_conv import MaskedConv2d

HERE = np.zeros(1, np.int64)
"""The only step of a 1 x 1 convolution: to the position itself."""
NOTHING = np.empty((0, 1), np.float32)
"""An empty map, if there is none to add to."""

_NO_PANELS = {
    torch.float32: np.empty((0, 0, PANEL), np.float32),
    torch.bfloat16: np.empty((0, 0, 2 * PANEL), np.uint16),
}
_NO_SPANS = np.empty((0, 2), np.int64)

Gradients = dict[Tensor, Tensor]
"""Parameter -> its gradient, of its shape."""
Bounds = tuple[tuple[int, int, int], ...]
"""Which outputs of a convolution read which inputs. For each colour: its first output,
the index after its last output, and how many inputs these outputs read, from the first
one on."""


def bounds_of(conv: MaskedConv2d) -> Bounds:
    """Return for each colour of a 1 x 1 convolution with mask B its first output, the
    index after its last output, and how many inputs these outputs read, from the first
    one on."""
    assert conv.kernel == 1
    return tuple(
        (outputs.start, outputs.stop, inputs.stop) for outputs, inputs in conv.groups
    )


@lru_cache(maxsize=256)
def reads_of(bounds: Bounds, outputs: int, pair: int = 1) -> Any:
    """Return spans, int64 (panels, 2): for each panel of PANEL outputs, the range of
    inputs that it reads, first and end, in words of `pair` inputs.

    bounds: of the convolution, as `bounds_of` returns them.
    outputs: O.
    pair: inputs in a word of 4 bytes: 1 in float32, 2 in bfloat16.

    The array is cached, so the caller must not change it.
    """
    ends = []
    for first in range(0, outputs, PANEL):
        reads = [
            stop for start, end, stop in bounds if start < first + PANEL and end > first
        ]
        ends.append([0, -(-max(reads, default=0) // pair)])
    return np.array(ends, np.int64)


@lru_cache(maxsize=256)
def readers_of(bounds: Bounds, inputs: int, outputs: int, pair: int = 1) -> Any:
    """Return spans, int64 (panels, 2): for each panel of PANEL inputs, the range of
    outputs that read it, first and end, in words of `pair` outputs. The array is
    cached, so the caller must not change it.

    bounds: of the convolution, as `bounds_of` returns them.
    inputs, outputs: I and O.
    pair: outputs in a word of 4 bytes: 1 in float32, 2 in bfloat16.
    """
    starts = []
    for first in range(0, inputs, PANEL):
        readers = [start for start, _, stop in bounds if stop > first]
        starts.append([min(readers, default=0) // pair, -(-outputs // pair)])
    return np.array(starts, np.int64)


def ahead(conv: MaskedConv2d | None, dtype: torch.dtype) -> Ahead:
    """Return the forward product of a 1 x 1 convolution as compiled code takes it, with
    factors of `dtype`, float32 or bfloat16; for None, a product without outputs."""
    if conv is None:
        return Ahead(_NO_PANELS[dtype], _NO_SPANS, NOTHING[:, 0])
    weights = conv.weight, conv.bias
    return kept_operands(conv, dtype, weights, partial(_ahead, conv, dtype))


def _ahead(conv: MaskedConv2d, dtype: torch.dtype) -> Ahead:
    weight = conv.weight[:, :, 0, 0]  # masked already
    spans = reads_of(bounds_of(conv), len(weight), 4 // dtype.itemsize)
    return Ahead(panels(weight.t(), dtype), spans, bits(conv.bias))


def back(conv: MaskedConv2d | None, dtype: torch.dtype) -> Back:
    """Return the backward product of a 1 x 1 convolution as compiled code takes it,
    with gradients of zero, to which that code adds; for None, a product without
    outputs."""
    if conv is None:
        return Back(
            _NO_PANELS[dtype],
            _NO_SPANS,
            np.empty((0, 0, 0), np.float32),
            NOTHING[:, 0],
            _NO_SPANS,
        )
    weight, bounds = conv.weight[:, :, 0, 0], bounds_of(conv)
    O, I = weight.shape  # noqa: E741
    d_weights, d_bias = (
        np.zeros((1, room(I), room(O)), np.float32),
        np.zeros(room(O), np.float32),
    )
    spans = readers_of(bounds, I, O, 4 // dtype.itemsize)
    return Back(panels(weight, dtype), spans, d_weights, d_bias, reads_of(bounds, O))


def gradients_of(conv: MaskedConv2d | None, product: Back) -> Gradients:
    """Return the gradients that compiled code has added to a backward product, for the
    weight and the bias of a 1 x 1 convolution; those of masked weights are zero. For
    None, an empty dictionary."""
    if conv is None:
        return {}
    O, I = conv.weight.shape[:2]  # noqa: E741
    d_weight = torch.from_numpy(product.d_weights[0, :I, :O].T)[:, :, None, None]
    return {
        conv.weight: d_weight * conv.mask,
        conv.bias: torch.from_numpy(product.d_bias[:O]),
    }


def room(width: int) -> int:
    """Return the smallest multiple of LANES (16) that is not less than `width`."""
    return width + -width % LANES


def roomy(x: Tensor) -> Tensor:
    """Return a map (M, F) whose rows have space for a multiple of LANES (16) features
    in memory: the map itself if it has that already, else a copy. What follows the F
    features of a row is zero in a copy, and arbitrary in the result of a product."""
    if x.stride(1) == 1 and x.stride(0) % LANES == 0:
        return x
    return functional.pad(x, (0, -x.shape[1] % LANES))[:, : x.shape[1]]


def product(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    bounds: Bounds,
    rectify: bool = False,
) -> Tensor:
    """Return x @ weight^T + bias, (M, O), of x's type, with space in its rows
    (`roomy`).

    x: (M, I), with space in its rows.
    weight: (O, I), zero outside `bounds`: whole panels of such weights are skipped.
    bias: (O,), or None.
    bounds: of the convolution, as `bounds_of` returns them.
    rectify: True to replace negative results by 0.
    """
    ahead = Ahead(
        panels(weight.t(), x.dtype),
        reads_of(bounds, len(weight), _pair(x)),
        NOTHING[:, 0] if bias is None else bits(bias),
    )
    return _product(x, ahead, len(weight), rectify)


def _product(x: Tensor, ahead: Ahead, outputs: int, rectify: bool) -> Tensor:
    out = x.new_empty(len(x), room(outputs))
    start = np.zeros(room(outputs), np.float32)
    start[: len(ahead.bias)] = ahead.bias
    affine(
        bits(x),
        HERE,
        ahead.weights,
        ahead.spans,
        start,
        NOTHING,
        bits(out),
        0,
        len(x),
        int(rectify),
    )
    return out[:, :outputs]


def product_back(
    d_out: Tensor, weight: Tensor, bounds: Bounds, dtype: torch.dtype
) -> Tensor:
    """Return d_out @ weight, (M, I), of `dtype`: the gradient of x in `product`.

    d_out: (M, O), with space in its rows (`roomy`).
    weight: (O, I).
    bounds: of the convolution (`bounds_of`).
    """
    O, I = weight.shape  # noqa: E741
    out = torch.empty(len(d_out), room(I), dtype=dtype)
    spans, none = readers_of(bounds, I, O, _pair(d_out)), np.zeros(room(I), np.float32)
    affine(
        bits(d_out),
        HERE,
        panels(weight, d_out.dtype),
        spans,
        none,
        NOTHING,
        bits(out),
        0,
        len(d_out),
        0,
    )
    return out[:, :I]


def weight_gradient(x: Tensor, d_out: Tensor, bounds: Bounds) -> tuple[Tensor, Tensor]:
    """Return the float32 gradients of weight, (O, I), and bias, (O,), of `product`.
    Those of masked weights are not masked.

    x, d_out: (M, I) and (M, O), both float32, or both bfloat16 with M even, and both
        `roomy`.
    bounds: of the convolution (`bounds_of`).
    """
    I, O = x.shape[1], d_out.shape[1]  # noqa: E741
    d_weight, d_bias = torch.zeros(1, room(I), room(O)), torch.zeros(room(O))
    wide = bits(d_out.as_strided((len(d_out), room(O)), d_out.stride()))
    add_weight_gradient(
        bits(x),
        HERE,
        wide,
        reads_of(bounds, O),
        bits(d_weight),
        bits(d_bias),
        0,
        len(x),
    )
    return d_weight[0, :I, :O].t(), d_bias[:O]


def _pair(x: Tensor) -> int:
    return 4 // x.element_size()


def masked_linear(
    x: Tensor, conv: MaskedConv2d, dtype: torch.dtype, rectify: bool
) -> Tensor:
    """Return a 1 x 1 convolution with mask B of a map, (M, I) -> (M, O), of `dtype`.
    Gradients can be computed.

    dtype: also of the factors of products.
    rectify: True to replace negative results by 0.
    """
    if not torch.is_grad_enabled():
        x = roomy(x.to(dtype))
        return _product(x, ahead(conv, dtype), len(conv.weight), rectify)
    bounds = bounds_of(conv)
    return _Linear.apply(x, conv.masked_weight(), conv.bias, bounds, dtype, rectify)  # type: ignore[no-any-return]


class _Linear(torch.autograd.Function):
    """x (M, I), weight (O, I, 1, 1), bias (O,) -> (M, O)."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        bounds: Bounds,
        dtype: torch.dtype,
        rectify: bool,
    ) -> Tensor:
        x, weight = roomy(x.to(dtype)), weight[:, :, 0, 0]
        out = product(x, weight, bias, bounds, rectify)
        ctx.save_for_backward(x, weight, *([out] if rectify else []))
        ctx.bounds = bounds
        return out

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, weight, *rectified = ctx.saved_tensors
        for out in rectified:
            d_out = torch.ops.aten.threshold_backward(d_out, out, 0)
        d_out = roomy(d_out)
        d_weight, d_bias = weight_gradient(x, d_out, ctx.bounds)
        return (
            product_back(d_out, weight, ctx.bounds, x.dtype),
            d_weight[:, :, None, None],
            d_bias,
            None,
            None,
            None,
        )
