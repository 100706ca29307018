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
    """Can the compiled scans take this map? They know float32 on a CPU and h in multiples of 16."""
    recurrent = isinstance(network.blocks[0].layer, DiagonalBiLSTM | RowLSTM)
    return recurrent and x.device.type == "cpu" and x.dtype == torch.float32 and network.config.hidden % LANES == 0


def fused_trunk(network: "PixelNetwork", x: Tensor) -> Tensor:
    """PixelNetwork.trunk, layer by layer on canvases: (B, 2h, H, W) -> (B, 2h, H, W)."""
    B, _, H, W = x.shape
    stream = to_canvas(x)  # (Q, B', 2h)
    skips = None
    for block in network.blocks:
        assert isinstance(block.layer, DiagonalBiLSTM | RowLSTM)
        hidden = fused_layer(block.layer, stream, H, W)  # (Q, B', h)
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


def fused_layer(layer: DiagonalBiLSTM | RowLSTM, canvas: Tensor, height: int, width: int) -> Tensor:
    """The layer's forward on a canvas: (Q, B, 2h) -> (Q, B, h); what it holds outside the image means nothing."""
    if isinstance(layer, RowLSTM):
        return _row_scan(layer, canvas, height, width)
    from_left = _diagonal_scan(layer.left, canvas, Walk(height, width, 1, (0,), (-1, -width - 1), -1))
    # Nothing reads the right-to-left map of the last row: its scan leaves it out.
    from_right = _diagonal_scan(layer.right, canvas, Walk(height - 1, width, -1, (0,), (1, -width - 1), 1))
    return _add_shifted_down(from_left, from_right, height, width)


def _diagonal_scan(lstm: DiagonalLSTM, canvas: Tensor, walk: Walk) -> Tensor:
    up, beside = lstm.state_to_state
    matrix = torch.cat([lstm.input_to_state.matrix(), beside, up], 1)  # (4h, 2h + h + h)
    packed = pack_gates(matrix, lstm.input_to_state.bias)
    return Scan.apply(canvas, *packed, lstm.initial_hidden, lstm.initial_cell, walk)  # type: ignore[no-any-return]


def _row_scan(lstm: RowLSTM, canvas: Tensor, height: int, width: int) -> Tensor:
    row = width + 1
    walk = Walk(height, width, 1, (-1, 0), (-row - 1, -row, -row + 1), -row)
    left, own = lstm.input_to_state.masked_weight()[:, :, 0, :2].unbind(-1)  # (4h, 2h) each; the right tap is hidden
    matrix = torch.cat([left, own, *lstm.state_to_state], 1)  # (4h, 2 * 2h + 3h)
    packed = pack_gates(matrix, lstm.input_to_state.bias)
    return Scan.apply(canvas, *packed, lstm.initial_hidden, lstm.initial_cell, walk)  # type: ignore[no-any-return]


def _add_shifted_down(left: Tensor, right: Tensor, height: int, width: int) -> Tensor:
    """left + right one row further down, on canvases whose first row lies outside the image."""
    row = width + 1
    seen = right[row : height * row]  # all but the last row of the image, which nothing may see
    return left + functional.pad(seen, (0, 0, 0, 0, 2 * row, 0))
