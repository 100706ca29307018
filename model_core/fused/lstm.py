"""What the two recurrent layers share on a canvas."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from model_core.compiled.vector_code import LANES
from model_core.fused.canvas import Canvas
from model_core.fused.products import Outputs, bounds_of
from model_core.fused.scan import Scan, Walk
from model_core.layers.lstm import LSTMParameters
from model_core.networks.pixel_network import PixelNetwork


def whole_tiles(network: PixelNetwork, _images: int) -> bool:
    """The compiled scans know h and c in multiples of 16."""
    return network.config.hidden % LANES == 0 and network.conditioning % LANES == 0


def scan(lstm: LSTMParameters, from_inputs: list[Tensor], walk: Walk, stream: Tensor, canvas: Canvas) -> Tensor:
    """from_inputs: (4h, F) weights for each input step of the walk; those of the states are the layer's taps."""
    matrix = torch.cat([*from_inputs, *lstm.state_to_state], 1)
    bias = lstm.input_to_state.bias
    return Scan.apply(stream, matrix, bias, lstm.initial_hidden, lstm.initial_cell, walk, canvas.dtype)  # type: ignore[no-any-return]


def with_condition(lstm: LSTMParameters, weights: Tensor) -> Tensor:
    """(4h, F) weights of a cell's own input -> (4h, F + c), the conditioning map's after them."""
    return weights if lstm.condition is None else torch.cat([weights, lstm.condition.weight[:, :, 0, 0]], 1)


def with_condition_map(stream: Tensor, condition: Tensor | None) -> Tensor:
    """(M, F) and (M, c) -> (M, F + c): the condition is more of what a cell reads at its own pixel."""
    return stream if condition is None else torch.cat([stream, condition], 1)


def trunk_of(layer: Callable[[Any, Tensor, Tensor | None, Canvas], Tensor]) -> Callable[..., Tensor]:
    """layer(module, map (M, 2h), condition (M, c) or None, canvas) -> (M, h), of canvas.dtype."""

    def trunk(network: PixelNetwork, x: Tensor, condition: Tensor | None, canvas: Canvas) -> Tensor:
        stream, skips = canvas.of(x.float()), None
        upsampled = None if condition is None else canvas.of(condition.float())  # (M, c)
        for block in network.blocks:
            hidden = layer(block.layer, stream, upsampled, canvas)  # (M, h)
            ways = [block.up.matrix(), block.up.bias, stream if network.config.residual else None]
            if block.skip is None:
                (stream,) = Outputs.apply(hidden, bounds_of(block.up), *ways)  # type: ignore[misc]
            else:
                ways += [block.skip.matrix(), block.skip.bias, skips]
                stream, skips = Outputs.apply(hidden, bounds_of(block.up), *ways)  # type: ignore[misc]
        return (stream if skips is None else stream + skips).relu()

    return trunk
