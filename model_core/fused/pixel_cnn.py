"""PixelCNN's layer on a canvas."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_core.fused.network import FusedNetwork
from model_core.fused.products import Convolutions
from model_core.layers.pixel_cnn import PixelCNNLayer


def _layer(layer: PixelCNNLayer, canvas: Tensor, condition: Tensor | None, height: int, width: int) -> Tensor:
    Q, B, _ = canvas.shape
    outside = torch.zeros(height + 1, width + 1, dtype=torch.bool)
    outside[0] = outside[:, 0] = True
    added = None if layer.condition is None or condition is None else _map(layer.condition, condition.flatten(0, 1))
    row = width + 1
    out = Convolutions.apply(
        canvas.flatten(0, 1),
        layer.down.matrix(),
        layer.down.bias,
        layer.spread.masked_weight(),
        layer.spread.bias,
        added,
        outside.flatten().repeat_interleave(B),
        tuple(step * B for step in (-row - 1, -row, -row + 1, -1, 0)),
    )
    return out.unflatten(0, (Q, B))  # type: ignore[no-any-return]


def _map(condition: nn.Conv2d, upsampled: Tensor) -> Tensor:
    return functional.linear(upsampled, condition.weight[:, :, 0, 0])


FUSED = FusedNetwork(layer=_layer, tile=1, fits=lambda network, images: True)
