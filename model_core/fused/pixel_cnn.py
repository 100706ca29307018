"""PixelCNN's block on a canvas (canvas.py): one compiled pass in each direction
(compiled/convolutions.py)."""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from model_core.compiled.convolutions import backward_block, forward_block
from model_core.compiled.map_products import Ahead, Back
from model_core.compiled.vector_code import LANES
from model_core.fused.canvas import Canvas
from model_core.fused.kept import kept_operands
from model_core.fused.network import FusedNetwork
from model_core.fused.panels import bits, panels, whole
from model_core.fused.products import NOTHING, Gradients, ahead, back, gradients_of
from model_core.fused.trunk import FusedBlock, Kept, Maps
from model_core.layers.masked_conv import MaskedConv2d
from model_core.layers.pixel_cnn import PixelCNNLayer
from model_core.networks.pixel_network import Block, PixelNetwork, layer_of

_TAPS = 5


def _forward(block: Block, maps: Maps, before: Kept | None) -> Kept:
    """Advance the maps by one block. Return what the 1 x 1, the 3 x 3 and the
    convolutions up and to the skip read, rectified: (M, 2h), (M, h) and (M, h), of
    canvas.dtype."""
    layer, (M, F), dtype = (
        layer_of(block, PixelCNNLayer),
        maps.stream.shape,
        maps.canvas.dtype,
    )
    kept = before or [
        torch.empty(M, width, dtype=dtype) for width in (F, F // 2, F // 2)
    ]
    added = NOTHING
    if layer.condition is not None and maps.labels is not None:
        added = bits(
            maps.by_image(layer.condition.weight[:, :, 0, 0]).repeat(
                M // maps.canvas.batch, 1
            )
        )
    elif layer.condition is not None and maps.condition is not None:
        added = bits(
            functional.linear(maps.condition, layer.condition.weight[:, :, 0, 0])
        )
    products = (
        ahead(layer.down, dtype),
        _spread(layer.spread, dtype),
        ahead(block.up, dtype),
        ahead(block.skip, dtype),
    )
    place = _steps(maps.canvas), maps.canvas.row, maps.canvas.batch, int(maps.residual)
    own = [bits(each) for each in kept]
    forward_block(bits(maps.stream), bits(maps.skips), added, *own, *products, *place)  # pyright: ignore[reportCallIssue]
    return kept


def _backward(
    block: Block, kept: Kept, d: Maps, condition: Tensor | None, gradients: Gradients
) -> None:
    """The gradient of `_forward`; see FusedBlock."""
    layer, dtype, steps = (
        layer_of(block, PixelCNNLayer),
        d.canvas.dtype,
        _steps(d.canvas),
    )
    M, h = kept[-1].shape
    near = (
        d.stream if dtype == torch.float32 else torch.empty(d.stream.shape, dtype=dtype)
    )
    d_spread = torch.empty(M - steps[0], h, dtype=dtype)
    d_spread[M:] = 0  # positions after the end of the map count as zero
    convolutions, spread = (
        (layer.down, block.up, block.skip),
        _spread_back(layer.spread, dtype),
    )
    down, up, skip = (back(each, dtype) for each in convolutions)
    maps = [bits(each) for each in (d.stream, near, d.skips, d_spread, *kept)]
    backward_block(*maps, down, spread, up, skip, steps, int(d.residual))  # pyright: ignore[reportCallIssue]
    for conv, product in zip(convolutions, (down, up, skip), strict=True):
        gradients |= gradients_of(conv, product)
    d_taps = torch.from_numpy(spread.d_weights)
    gradients[layer.spread.weight] = _untap(d_taps.transpose(1, 2)) * layer.spread.mask
    gradients[layer.spread.bias] = torch.from_numpy(spread.d_bias)
    if layer.condition is not None and d.labels is not None:
        d_images = (
            d_spread[:M].float().unflatten(0, (-1, d.canvas.batch)).sum(0)
        )  # (B, h)
        gradients[layer.condition.weight] = (d_images.t() @ d.labels)[:, :, None, None]
    elif (
        layer.condition is not None
        and condition is not None
        and d.condition is not None
    ):
        d_added = d_spread[:M].float()
        gradients[layer.condition.weight] = (d_added.t() @ condition)[:, :, None, None]
        d.condition += d_added @ layer.condition.weight[:, :, 0, 0]


def _spread(conv: MaskedConv2d, dtype: torch.dtype) -> Ahead:
    """Return the 3 x 3 as a product of the inputs of its five taps, one after the
    other."""
    weights = conv.weight, conv.bias
    return kept_operands(conv, dtype, weights, partial(_laid_out, conv, dtype))


def _laid_out(conv: MaskedConv2d, dtype: torch.dtype) -> Ahead:
    weights = panels(
        _taps(conv.weight).transpose(1, 2).flatten(0, 1), dtype
    )  # of (5h, h)
    return Ahead(
        weights, whole(len(weights), weights.shape[1] // _TAPS), bits(conv.bias)
    )


def _spread_back(conv: MaskedConv2d, dtype: torch.dtype) -> Back:
    """Return the product for the gradient of the 3 x 3."""
    h = len(conv.weight)
    weights = panels(_taps(conv.weight).flatten(0, 1), dtype)
    spans = whole(len(weights), weights.shape[1] // _TAPS)
    d_weights, d_bias = np.zeros((_TAPS, h, h), np.float32), np.zeros(h, np.float32)
    return Back(weights, spans, d_weights, d_bias, whole(len(weights), h))


def _steps(canvas: Canvas) -> Any:
    """Return the distance from a position to the one that each tap of the 3 x 3 reads,
    in rows of the map, without the hidden tap."""
    row = canvas.row
    return np.array([-row - 1, -row, -row + 1, -1, 0], np.int64) * canvas.batch


def _taps(spread: Tensor) -> Tensor:
    """Return the weights (h, h, 2, 3) as (5, h, h): the row above, the left neighbour,
    the pixel itself."""
    return spread.flatten(2).permute(2, 0, 1)[:_TAPS]


def _untap(taps: Tensor) -> Tensor:
    """Undo `_taps`, with zeros for the right neighbour."""
    return (
        functional.pad(taps, (0, 0, 0, 0, 0, 1)).permute(1, 2, 0).unflatten(2, (2, 3))
    )


def _fits(network: PixelNetwork, images: int) -> bool:
    """Return True if the compiled code supports the network and is faster. A batch is
    padded to four images, so one or two would take as long as four."""
    return network.config.hidden % LANES == 0 and images >= 3


FUSED = FusedNetwork(FusedBlock(_forward, _backward), fits=_fits)
