"""The Diagonal BiLSTM's layer on a canvas: one compiled scan for each direction."""

from torch import Tensor
from torch.nn import functional

from model_core.compiled.scans import TILE_ROWS
from model_core.fused.lstm import scan, whole_tiles, with_condition, with_condition_canvas
from model_core.fused.network import FusedNetwork
from model_core.fused.scan import Walk
from model_core.layers.diagonal_bilstm import DiagonalBiLSTM, DiagonalLSTM


def _layer(layer: DiagonalBiLSTM, canvas: Tensor, condition: Tensor | None, height: int, width: int) -> Tensor:
    canvas, row = with_condition_canvas(canvas, condition), width + 1
    from_left = scan(layer.left, _inputs(layer.left), Walk(height, width, 1, (0,), (-row, -1), -1), canvas)
    # Nothing reads the right-to-left map of the last row: its scan leaves it out.
    from_right = scan(layer.right, _inputs(layer.right), Walk(height - 1, width, -1, (0,), (-row, 1), 1), canvas)
    return _add_shifted_down(from_left, from_right, height, width)


def _inputs(lstm: DiagonalLSTM) -> list[Tensor]:
    return [with_condition(lstm, lstm.input_to_state.matrix())]


def _add_shifted_down(left: Tensor, right: Tensor, height: int, width: int) -> Tensor:
    """left + right one row further down, on canvases whose first row lies outside the image."""
    row = width + 1
    seen = right[row : height * row]  # all but the last row of the image, which nothing may see
    return left + functional.pad(seen, (0, 0, 0, 0, 2 * row, 0))


FUSED = FusedNetwork(layer=_layer, tile=TILE_ROWS, fits=whole_tiles)
