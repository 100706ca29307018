"""The Row LSTM's layer on a canvas: one compiled scan, with the left neighbour's features among the inputs."""

from torch import Tensor
from torch.nn import functional

from model_core.compiled.scans import TILE_ROWS
from model_core.fused.canvas import Canvas
from model_core.fused.lstm import scan, trunk_of, whole_tiles, with_condition, with_condition_map
from model_core.fused.network import FusedNetwork
from model_core.fused.scan import Walk
from model_core.layers.row_lstm import RowLSTM
from model_core.networks.pixel_network import PixelNetwork


def _layer(layer: RowLSTM, stream: Tensor, condition: Tensor | None, canvas: Canvas) -> Tensor:
    row = canvas.row
    states = (-row - 1, -row, -row + 1)
    walk = Walk(canvas.batch, canvas.height, canvas.width, 1, (-1, 0), states, -row)
    return scan(layer, _inputs(layer), walk, with_condition_map(stream, condition), canvas)


def _inputs(lstm: RowLSTM) -> list[Tensor]:
    left, own = lstm.input_to_state.masked_weight()[:, :, 0, :2].unbind(-1)  # (4h, 2h) each; the right tap is hidden
    spare = 0 if lstm.condition is None else lstm.condition.in_channels
    return [functional.pad(left, (0, spare)), with_condition(lstm, own)]


def _fits(network: PixelNetwork, images: int) -> bool:
    """A padded tile costs as much as a full one: one image with h = 32 or 64, and up to three with h = 128, were faster
    without the scan."""
    too_few = images < TILE_ROWS and images * 32 <= network.config.hidden
    return whole_tiles(network, images) and not too_few


FUSED = FusedNetwork(trunk_of(_layer), fits=_fits)
