"""The Row LSTM's block on a canvas (canvas.py): one compiled scan, with the left
neighbour's features among the inputs."""

from functools import lru_cache

from torch import Tensor

from model_core.compiled.scans import TILE_ROWS
from model_core.fused.canvas import Canvas
from model_core.fused.lstm import recurrent_block, whole_tiles
from model_core.fused.network import FusedNetwork
from model_core.fused.scan import Scan, Walk
from model_core.layers.row_lstm import RowLSTM
from model_core.networks.pixel_network import PixelNetwork


def _scans(layer: RowLSTM, canvas: Canvas) -> list[Scan]:
    """Return the only scan, from top to bottom."""
    return [Scan(layer, _walk(canvas))]


@lru_cache(maxsize=64)
def _walk(canvas: Canvas) -> Walk:
    """Return the walk of the scan. A cell reads the features of its left neighbour and
    its own, and three states of the row above."""
    row = canvas.row
    states = (-row - 1, -row, -row + 1)
    return Walk(canvas.batch, canvas.height, canvas.width, 1, (-1, 0), states, -row)


def _joined(hidden: list[Tensor], _canvas: Canvas) -> Tensor:
    return hidden[0]


def _parted(d_hidden: Tensor, _canvas: Canvas) -> list[Tensor]:
    return [d_hidden]


def _fits(network: PixelNetwork, images: int) -> bool:
    """Return True if the compiled scan supports the network and is faster. A padded
    tile costs as much as a full one: with h = 32 or 64 one image was faster without the
    scan, and with h = 128 up to three."""
    too_few = images < TILE_ROWS and images * 32 <= network.config.hidden
    return whole_tiles(network, images) and not too_few


FUSED = FusedNetwork(recurrent_block(_scans, _joined, _parted), fits=_fits)
