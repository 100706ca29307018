"""Convolutions, 1 x 1 and 3 x 3, between the scans on canvases (canvas.py), as compiled products.

The features of a position lie side by side, so that a 3 x 3 is a product for each of the five neighbours that its mask
leaves; and a colour group is a range of columns, so that what a mask hides is left out as far as whole panels of
columns go (compiled/map_products.py). Equal to MaskedConv2d up to float32 rounding, values and gradients. A product is
of numbers of one type, float32 or bfloat16; sums, and gradients of weights, are float32.
"""

from functools import lru_cache
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
from model_core.fused.panels import bits, panels
from model_core.layers.masked_conv import MaskedConv2d

HERE = np.zeros(1, np.int64)
"""The only step of a 1 x 1."""
NOTHING = np.empty((0, 1), np.float32)
"""No map to start from."""

_NO_PANELS = {
    torch.float32: np.empty((0, 0, PANEL), np.float32),
    torch.bfloat16: np.empty((0, 0, 2 * PANEL), np.uint16),
}
_NO_SPANS = np.empty((0, 2), np.int64)

Gradients = dict[Tensor, Tensor]
"""Gradient of each parameter, in its shape."""
Bounds = tuple[tuple[int, int, int], ...]
"""Each colour's first output and the one after its last, and how many inputs these read."""


def bounds_of(conv: MaskedConv2d) -> Bounds:
    """Bounds of a 1 x 1."""
    assert conv.kernel == 1
    return tuple(
        (outputs.start, outputs.stop, inputs.stop) for outputs, inputs in conv.groups
    )


@lru_cache(maxsize=256)
def reads_of(bounds: Bounds, outputs: int, pair: int = 1) -> Any:
    """Spans of the inputs, `pair` of them a word, that each panel of outputs reads."""
    ends = []
    for first in range(0, outputs, PANEL):
        reads = [
            stop for start, end, stop in bounds if start < first + PANEL and end > first
        ]
        ends.append([0, -(-max(reads, default=0) // pair)])
    return np.array(ends, np.int64)


@lru_cache(maxsize=256)
def readers_of(bounds: Bounds, inputs: int, outputs: int, pair: int = 1) -> Any:
    """Spans of the outputs, `pair` of them a word, that read each panel of inputs."""
    starts = []
    for first in range(0, inputs, PANEL):
        readers = [start for start, _, stop in bounds if stop > first]
        starts.append([min(readers, default=0) // pair, -(-outputs // pair)])
    return np.array(starts, np.int64)


def ahead(conv: MaskedConv2d | None, dtype: torch.dtype) -> Ahead:
    """A 1 x 1 with numbers of dtype; None makes one without columns."""
    if conv is None:
        return Ahead(_NO_PANELS[dtype], _NO_SPANS, NOTHING[:, 0])
    weight = conv.weight[:, :, 0, 0]  # masked already
    spans = reads_of(bounds_of(conv), len(weight), 4 // dtype.itemsize)
    return Ahead(panels(weight.t(), dtype), spans, bits(conv.bias))


def back(conv: MaskedConv2d | None, dtype: torch.dtype) -> Back:
    """The same on the way back, its gradients zero."""
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
    """Gradients of a 1 x 1, where its mask lets them through."""
    if conv is None:
        return {}
    O, I = conv.weight.shape[:2]  # noqa: E741
    d_weight = torch.from_numpy(product.d_weights[0, :I, :O].T)[:, :, None, None]
    return {
        conv.weight: d_weight * conv.mask,
        conv.bias: torch.from_numpy(product.d_bias[:O]),
    }


def room(width: int) -> int:
    """The next multiple of 16."""
    return width + -width % LANES


def roomy(x: Tensor) -> Tensor:
    """The same map (M, F), with room for a multiple of 16 features behind each row's first, zeros or whatever is there
    of a product."""
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
    """x (M, I) @ weight (O, I) transposed + bias, as numbers of x's type (M, O)."""
    O, pair = len(weight), _pair(x)  # noqa: E741
    out = x.new_empty(len(x), room(O))
    start = np.zeros(room(O), np.float32)
    if bias is not None:
        start[:O] = bias.detach().numpy()
    spans = reads_of(bounds, O, pair)
    affine(
        bits(x),
        HERE,
        panels(weight.t(), x.dtype),
        spans,
        start,
        NOTHING,
        bits(out),
        0,
        len(x),
        int(rectify),
    )
    return out[:, :O]


def product_back(
    d_out: Tensor, weight: Tensor, bounds: Bounds, dtype: torch.dtype
) -> Tensor:
    """d_out (M, O) @ weight (O, I), as numbers of dtype (M, I)."""
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
    """(O, I) and (O,), float32, from x (M, I) and d_out (M, O)."""
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
    """Numbers in a word."""
    return 4 // x.element_size()


def masked_linear(
    x: Tensor, conv: MaskedConv2d, dtype: torch.dtype, rectify: bool
) -> Tensor:
    """A mask-B 1 x 1 on a map, rectified if asked: (M, I) -> (M, O), numbers of dtype."""
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
