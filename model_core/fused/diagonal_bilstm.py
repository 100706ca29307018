"""The Diagonal BiLSTM's layer on a canvas: one compiled scan for each direction."""

from torch import Tensor
from torch.nn import functional

from model_core.fused.canvas import Canvas
from model_core.fused.lstm import scan, trunk_of, whole_tiles, with_condition, with_condition_map
from model_core.fused.network import FusedNetwork
from model_core.fused.scan import Walk
from model_core.layers.diagonal_bilstm import DiagonalBiLSTM, DiagonalLSTM


def _layer(layer: DiagonalBiLSTM, stream: Tensor, condition: Tensor | None, canvas: Canvas) -> Tensor:
    stream = with_condition_map(stream, condition)
    B, H, W, row = canvas.batch, canvas.height, canvas.width, canvas.row
    from_left = scan(layer.left, _inputs(layer.left), Walk(B, H, W, 1, (0,), (-row, -1), -1), stream, canvas)
    # Nothing reads the right-to-left map of the last row: its scan leaves it out.
    from_right = scan(layer.right, _inputs(layer.right), Walk(B, H - 1, W, -1, (0,), (-row, 1), 1), stream, canvas)
    return _add_shifted_down(from_left, from_right, canvas)


def _inputs(lstm: DiagonalLSTM) -> list[Tensor]:
    return [with_condition(lstm, lstm.input_to_state.matrix())]


def _add_shifted_down(left: Tensor, right: Tensor, canvas: Canvas) -> Tensor:
    """left + right one row further down, on canvases whose first row lies outside the image."""
    row = canvas.row * canvas.batch
    seen = right[row : canvas.height * row]  # all but the last row of the image, which nothing may see
    return left + functional.pad(seen, (0, 0, 2 * row, 0))


FUSED = FusedNetwork(trunk_of(_layer), fits=whole_tiles)
