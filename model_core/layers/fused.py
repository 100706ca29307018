"""The recurrent stacks on a CPU with compiled scans: what PixelNetwork.trunk computes, many times faster.

Equal to the plain modules up to float32 rounding, values and gradients. Maps are canvases (Q, B, F) as in
compiled/scans.py; the batch is padded to a multiple of four images.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from model_core.layers.diagonal_bilstm import DiagonalBiLSTM, DiagonalLSTM
from model_core.layers.row_lstm import RowLSTM
from model_core.layers.scan import LANES, TILE_ROWS, Scan, Walk, pack_gates

if TYPE_CHECKING:
    from model_core.networks.pixel_network import PixelNetwork


def fuses(network: "PixelNetwork", x: Tensor) -> bool:
    """Can the compiled scans take this map? They know float32 on a CPU, h and c in multiples of 16."""
    recurrent = isinstance(network.blocks[0].layer, DiagonalBiLSTM | RowLSTM)
    divides = network.config.hidden % LANES == 0 and network.conditioning % LANES == 0
    return recurrent and divides and x.device.type == "cpu" and x.dtype == torch.float32


def fused_trunk(network: "PixelNetwork", x: Tensor, condition: Tensor | None = None) -> Tensor:
    """PixelNetwork.trunk, layer by layer on canvases: (B, 2h, H, W) and (B, c, H, W) -> (B, 2h, H, W)."""
    B, _, H, W = x.shape
    stream = to_canvas(x)  # (Q, B', 2h)
    upsampled = None if condition is None else to_canvas(condition)  # (Q, B', c)
    skips = None
    for block in network.blocks:
        assert isinstance(block.layer, DiagonalBiLSTM | RowLSTM)
        hidden = fused_layer(block.layer, stream, upsampled, H, W)  # (Q, B', h)
        update = functional.linear(hidden, block.up.matrix(), block.up.bias)
        stream = update.add_(stream) if network.config.residual else update
        if block.skip is not None:
            skip = functional.linear(hidden, block.skip.matrix(), block.skip.bias)
            skips = skip if skips is None else skip.add_(skips)
    return from_canvas(stream if skips is None else stream + skips, B, H, W)


def to_canvas(x: Tensor) -> Tensor:
    """(B, F, H, W) -> (Q, B', F) with zeros outside the image and in the images that pad the batch."""
    spare = -x.shape[0] % TILE_ROWS
    return functional.pad(x.permute(2, 3, 0, 1), (0, 0, 0, spare, 1, 0, 1, 0)).flatten(0, 1)


def from_canvas(canvas: Tensor, batch: int, height: int, width: int) -> Tensor:
    """Undo to_canvas: (Q, B', F) -> (B, F, H, W)."""
    grid = canvas.unflatten(0, (height + 1, width + 1))
    return grid[1:, 1:, :batch].permute(2, 3, 0, 1)


def fused_layer(
    layer: DiagonalBiLSTM | RowLSTM, canvas: Tensor, condition: Tensor | None, height: int, width: int
) -> Tensor:
    """The layer's forward on a canvas: (Q, B, 2h) -> (Q, B, h); what it holds outside the image means nothing.

    A conditioning canvas (Q, B, c) is one more part of what a cell reads at its own pixel.
    """
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
