"""The networks on a CPU: what PixelNetwork computes in plain torch, many times faster for the recurrent ones.

Equal to the plain modules up to float32 rounding, values and gradients. Maps are canvases (Q, B, F) as in
compiled/scans.py; for the scans the batch is padded to a multiple of four images.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_core.fused.products import Convolutions, Outputs, masked_linear
from model_core.fused.scan import LANES, TILE_ROWS, Scan, Walk, pack_gates
from model_core.layers.diagonal_bilstm import DiagonalBiLSTM, DiagonalLSTM
from model_core.layers.pixel_cnn import ConvolutionLayer
from model_core.layers.row_lstm import RowLSTM

if TYPE_CHECKING:
    from model_core.networks.pixel_network import PixelNetwork


def fuses(network: "PixelNetwork", x: Tensor) -> bool:
    """Float32 on a CPU; the compiled scans of the recurrent layers know h and c in multiples of 16."""
    layer = network.blocks[0].layer
    divides = network.config.hidden % LANES == 0 and network.conditioning % LANES == 0
    known = divides or isinstance(layer, ConvolutionLayer)
    return known and x.device.type == "cpu" and x.dtype == torch.float32 and not _too_few(layer, len(x))


def _too_few(layer: nn.Module, images: int) -> bool:
    """A padded tile costs as much as a full one: one image with h = 32 or 64, and up to three with h = 128, were faster
    without the scan."""
    return isinstance(layer, RowLSTM) and images < TILE_ROWS and images * 32 <= layer.hidden


def fused_logits(network: "PixelNetwork", x: Tensor, condition: Tensor | None = None) -> Tensor:
    """PixelNetwork.trunk and its head on canvases: (B, 2h, H, W) and (B, c, H, W) -> (B, V, C, H, W).

    The values of a variable lie side by side.
    """
    B, _, H, W = x.shape
    head = network.head
    top = _trunk(network, x, condition).relu()  # (Q, B', 2h)
    wide = masked_linear(top, head.first).relu_()  # (Q, B', head)
    wide = masked_linear(wide, head.second).relu_()
    logits = masked_linear(wide, head.output)  # (Q, B', C * V)
    return from_canvas(logits, B, H, W).unflatten(1, (head.colours, head.values)).transpose(1, 2)


def _trunk(network: "PixelNetwork", x: Tensor, condition: Tensor | None) -> Tensor:
    """(B, 2h, H, W) and (B, c, H, W) -> the top map (Q, B', 2h)."""
    _, _, H, W = x.shape
    tile = 1 if isinstance(network.blocks[0].layer, ConvolutionLayer) else TILE_ROWS
    canvas = to_canvas(x, tile)  # (Q, B', 2h)
    places = canvas.shape[:2]
    stream = canvas.flatten(0, 1)
    upsampled = None if condition is None else to_canvas(condition, tile)  # (Q, B', c)
    skips = None
    for block in network.blocks:
        hidden = fused_layer(block.layer, stream.unflatten(0, places), upsampled, H, W).flatten(0, 1)  # (Q * B', h)
        ways = [block.up.matrix(), block.up.bias, stream if network.config.residual else None]
        if block.skip is None:
            (stream,) = Outputs.apply(hidden, *ways)  # type: ignore[misc]
        else:
            stream, skips = Outputs.apply(hidden, *ways, block.skip.matrix(), block.skip.bias, skips)  # type: ignore[misc]
    return (stream if skips is None else stream + skips).unflatten(0, places)


def to_canvas(x: Tensor, tile: int = TILE_ROWS) -> Tensor:
    """(B, F, H, W) -> (Q, B', F) with zeros outside the image, and in the images that pad B to a multiple of tile."""
    spare = -x.shape[0] % tile
    return functional.pad(x.permute(2, 3, 0, 1), (0, 0, 0, spare, 1, 0, 1, 0)).flatten(0, 1)


def from_canvas(canvas: Tensor, batch: int, height: int, width: int) -> Tensor:
    """Undo to_canvas: (Q, B', F) -> (B, F, H, W)."""
    grid = canvas.unflatten(0, (height + 1, width + 1))
    return grid[1:, 1:, :batch].permute(2, 3, 0, 1)


def fused_layer(
    layer: ConvolutionLayer | DiagonalBiLSTM | RowLSTM,
    canvas: Tensor,
    condition: Tensor | None,
    height: int,
    width: int,
) -> Tensor:
    """The layer's forward on a canvas: (Q, B, 2h) -> (Q, B, h); what it holds outside the image means nothing.

    A conditioning canvas (Q, B, c) is one more part of what a cell reads at its own pixel.
    """
    if isinstance(layer, ConvolutionLayer):
        return _convolution(layer, canvas, condition, height, width)
    if condition is not None:
        canvas = torch.cat([canvas, condition], 2)
    row = width + 1
    if isinstance(layer, RowLSTM):
        return _scan(
            layer, _row_inputs(layer), Walk(height, width, 1, (-1, 0), (-row - 1, -row, -row + 1), -row), canvas
        )
    from_left = _scan(layer.left, _own_input(layer.left), Walk(height, width, 1, (0,), (-row, -1), -1), canvas)
    # Nothing reads the right-to-left map of the last row: its scan leaves it out.
    from_right = _scan(layer.right, _own_input(layer.right), Walk(height - 1, width, -1, (0,), (-row, 1), 1), canvas)
    return _add_shifted_down(from_left, from_right, height, width)


def _convolution(layer: ConvolutionLayer, canvas: Tensor, condition: Tensor | None, height: int, width: int) -> Tensor:
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


def _scan(lstm: DiagonalLSTM | RowLSTM, from_inputs: list[Tensor], walk: Walk, canvas: Tensor) -> Tensor:
    """from_inputs: (4h, F) weights for each input step of the walk; those of the states are the layer's taps."""
    packed = pack_gates(torch.cat([*from_inputs, *lstm.state_to_state], 1), lstm.input_to_state.bias)
    return Scan.apply(canvas, *packed, lstm.initial_hidden, lstm.initial_cell, walk)  # type: ignore[no-any-return]


def _own_input(lstm: DiagonalLSTM) -> list[Tensor]:
    return [_with_condition(lstm, lstm.input_to_state.matrix())]


def _row_inputs(lstm: RowLSTM) -> list[Tensor]:
    left, own = lstm.input_to_state.masked_weight()[:, :, 0, :2].unbind(-1)  # (4h, 2h) each; the right tap is hidden
    spare = 0 if lstm.condition is None else lstm.condition.in_channels
    return [functional.pad(left, (0, spare)), _with_condition(lstm, own)]


def _with_condition(lstm: DiagonalLSTM | RowLSTM, weights: Tensor) -> Tensor:
    return weights if lstm.condition is None else torch.cat([weights, lstm.condition.weight[:, :, 0, 0]], 1)


def _add_shifted_down(left: Tensor, right: Tensor, height: int, width: int) -> Tensor:
    """left + right one row further down, on canvases whose first row lies outside the image."""
    row = width + 1
    seen = right[row : height * row]  # all but the last row of the image, which nothing may see
    return left + functional.pad(seen, (0, 0, 0, 0, 2 * row, 0))
