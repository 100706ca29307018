"""PixelCNN's layer on a canvas."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from model_core.compiled.map_products import add_weight_gradient, affine
from model_core.compiled.vector_code import LANES
from model_core.fused.canvas import Canvas
from model_core.fused.network import FusedNetwork
from model_core.fused.panels import bits, panels, whole
from model_core.fused.products import NOTHING, Bounds, bounds_of, product, product_back, weight_gradient
from model_core.layers.pixel_cnn import PixelCNNLayer
from model_core.networks.pixel_network import PixelNetwork


def _layer(layer: PixelCNNLayer, stream: Tensor, condition: Tensor | None, canvas: Canvas) -> Tensor:
    added = None if layer.condition is None or condition is None else _map(layer.condition, condition)
    ways = layer.down.matrix(), layer.down.bias, layer.spread.masked_weight(), layer.spread.bias
    return Convolutions.apply(stream, *ways, added, bounds_of(layer.down), canvas)  # type: ignore[no-any-return]


def _map(condition: nn.Conv2d, upsampled: Tensor) -> Tensor:
    return functional.linear(upsampled, condition.weight[:, :, 0, 0])


class Convolutions(torch.autograd.Function):
    """The layer, ReLU - 1x1 - ReLU - 3x3 - ReLU: stream (M, 2h) -> (M, h), numbers of the canvas's type.

    Outside the image the 1x1's map is cleared, which is what the 3x3 then reads there; its own map means nothing there.
    down (h, 2h) and spread (h, h, 2, 3) are masked already. added (M, h), or None: the conditioning map.
    """

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        stream: Tensor,
        down: Tensor,
        down_bias: Tensor,
        spread: Tensor,
        spread_bias: Tensor,
        added: Tensor | None,
        bounds: Bounds,
        canvas: Canvas,
    ) -> Tensor:
        steps, h, M = _steps(canvas), len(down), len(stream)
        wide = stream.relu().to(canvas.dtype)
        narrow = canvas.clear_outside(product(wide, down, down_bias, bounds, rectify=True))
        out = narrow.new_empty(M, h)
        out[: -steps[0]] = 0
        taps = panels(_taps(spread).transpose(1, 2).flatten(0, 1), canvas.dtype)  # of (5h, h)
        spans, start = whole(len(taps), taps.shape[1] // len(steps)), NOTHING if added is None else bits(added)
        affine(bits(narrow), steps, taps, spans, bits(spread_bias), start, bits(out), -steps[0], M, 1)
        ctx.save_for_backward(wide, down, spread, narrow, out)
        ctx.bounds, ctx.canvas, ctx.is_added = bounds, canvas, added is not None
        return out

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        wide, down, spread, narrow, out = ctx.saved_tensors
        steps, h, M = _steps(ctx.canvas), len(down), len(wide)
        first, taps = -steps[0], _taps(spread)
        d_spread = torch.zeros(M + first, h, dtype=wide.dtype)  # what lies behind the map reads as zero
        torch.ops.aten.threshold_backward.grad_input(d_out, out, 0, grad_input=d_spread[:M])
        d_taps, d_bias = torch.zeros(taps.shape), torch.zeros(h)
        spans = whole(-(-h // 32), h)
        add_weight_gradient(bits(narrow), steps, bits(d_spread), spans, bits(d_taps), bits(d_bias), first, M)
        d_narrow, back = torch.empty_like(narrow), panels(taps.flatten(0, 1), wide.dtype)
        spans, none = whole(len(back), back.shape[1] // len(steps)), np.zeros(h, np.float32)
        affine(bits(d_spread), -steps, back, spans, none, NOTHING, bits(d_narrow), 0, M, 0)
        d_narrow = torch.ops.aten.threshold_backward(d_narrow, narrow, 0)
        d_down, d_down_bias = weight_gradient(wide, d_narrow, ctx.bounds)
        d_stream = product_back(d_narrow, down, ctx.bounds, torch.float32)
        torch.ops.aten.threshold_backward.grad_input(d_stream, wide, 0, grad_input=d_stream)
        d_added = d_spread[:M].float() if ctx.is_added else None
        return d_stream, d_down, d_down_bias, _untap(d_taps.transpose(1, 2)), d_bias, d_added, None, None


def _steps(canvas: Canvas) -> Any:
    """How many rows of the map further each tap of the 3x3 reads, the hidden one left out."""
    row = canvas.row
    return np.array([-row - 1, -row, -row + 1, -1, 0], np.int64) * canvas.batch


def _taps(spread: Tensor) -> Tensor:
    """(h, h, 2, 3) -> (5, h, h): the row above, then the left neighbour and the pixel itself."""
    return spread.flatten(2).permute(2, 0, 1)[:5]


def _untap(taps: Tensor) -> Tensor:
    """Undo _taps, zeros where the right neighbour would be."""
    return functional.pad(taps, (0, 0, 0, 0, 0, 1)).permute(1, 2, 0).unflatten(2, (2, 3))


def _fits(network: PixelNetwork, images: int) -> bool:
    """A batch is padded to four images, so one or two would cost as much as four."""
    return network.config.hidden % LANES == 0 and images >= 3


FUSED = FusedNetwork(layer=_layer, fits=_fits)
