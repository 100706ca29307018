"""The weights and arrays of the PixelCNN's layers for the compiled loop
(compiled/pixel_cnn.py)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from model_core.compiled import pixel_cnn
from model_core.layers.pixel_cnn import PixelCNNLayer
from model_core.networks.pixel_network import Block, PixelNetwork, layer_of
from model_core.sampling.compiled.colour_order import Maps, Product
from model_core.sampling.compiled.kind import CompiledKind, Sizes
from model_core.sampling.compiled.layout import (
    layer_by_layer,
    pad_vector,
    whole_columns,
)
from model_core.sampling.compiled.weights import condition_weights, few_pixels, zeros


def _weights(network: PixelNetwork, maps: Maps) -> dict[str, Any]:
    layers = [layer_of(block, PixelCNNLayer) for block in network.blocks]
    above_w = layer_by_layer([whole_columns(above(layer)) for layer in layers])
    return {
        "few": few_pixels(above_w),
        "down_b": np.stack(
            [pad_vector(layer.down.bias, maps.hidden) for layer in layers]
        ),
        "above_w": above_w,
        "above_b": np.stack(
            [pad_vector(layer.spread.bias, maps.hidden) for layer in layers]
        ),
        "beside_w": layer_by_layer([whole_columns(beside(layer)) for layer in layers]),
    }


def above(layer: PixelCNNLayer) -> Tensor:
    """Return the weights (h, 3h) of a layer's masked 3 x 3 convolution for the three
    cells above a pixel, from left to right."""
    return layer.spread.masked_weight()[:, :, 0].transpose(1, 2).flatten(1)


def beside(layer: PixelCNNLayer) -> Tensor:
    """Return the weights (h, c + h) of a layer's masked 3 x 3 convolution for the
    conditioning map (c; 0 without one), then for the cell to the left."""
    left = layer.spread.masked_weight()[:, :, 1, 0]
    return torch.cat([*condition_weights(layer.condition), left], 1)


def _state(network: PixelNetwork, maps: Maps, sizes: Sizes) -> dict[str, Any]:
    L, h = network.config.layers, maps.hidden.width
    return {
        "ring_rows": sizes.ring_rows,
        "maps": zeros(L, sizes.ring_cells, h),
        "above": zeros(L, sizes.ahead_cells, h),
        "rectified": zeros(L, sizes.step_pixels, maps.features.width),
        "sums": zeros(L, sizes.step_pixels, h),
        "out": zeros(L, sizes.step_pixels, h),
    }


def _products(block: Block, maps: Maps) -> list[Product]:
    layer = layer_of(block, PixelCNNLayer)
    across = layer.spread.masked_weight()[:, :, 1, 1]
    return [
        Product(pixel_cnn.DOWN, layer.down.matrix(), maps.hidden, maps.features.ends),
        Product(pixel_cnn.ACROSS, across, maps.hidden, maps.hidden.ends),
    ]


COMPILED = CompiledKind(
    code=pixel_cnn,
    weights=_weights,
    state=_state,
    kept=("maps",),
    stream_cells=lambda sizes: sizes.step_pixels,
    products=_products,
)
