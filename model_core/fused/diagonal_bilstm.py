"""The Diagonal BiLSTM's block on a canvas (canvas.py): one compiled scan for each
direction."""

from functools import lru_cache

import torch
from torch import Tensor

from model_core.fused.canvas import Canvas
from model_core.fused.lstm import recurrent_block, whole_tiles
from model_core.fused.network import FusedNetwork
from model_core.fused.scan import Scan, Walk
from model_core.layers.diagonal_bilstm import DiagonalBiLSTM


def _scans(layer: DiagonalBiLSTM, canvas: Canvas) -> list[Scan]:
    """Return the scans from left to right and from right to left."""
    left, right = _walks(canvas)
    return [Scan(layer.left, left), Scan(layer.right, right)]


@lru_cache(maxsize=64)
def _walks(canvas: Canvas) -> tuple[Walk, Walk]:
    """Return the walks of both scans."""
    B, H, W, row = canvas.batch, canvas.height, canvas.width, canvas.row
    left = Walk(B, H, W, 1, (0,), (-row, -1), -1)
    # Nothing reads the right-to-left map of the last row, so its scan leaves it out.
    right = Walk(B, H - 1, W, -1, (0,), (-row, 1), 1)
    return left, right


def _joined(hidden: list[Tensor], canvas: Canvas) -> Tensor:
    """Return the layer's map: the left-to-right one plus the right-to-left one, shifted
    down by one row (section 3.2)."""
    left, right = hidden
    return _add_shifted_down(left, right, canvas)


def _add_shifted_down(left: Tensor, right: Tensor, canvas: Canvas) -> Tensor:
    """Return left + right, with `right` shifted down by one row, on canvases whose
    first row is outside the image."""
    row, out = canvas.row * canvas.batch, torch.empty_like(left)
    out[: 2 * row] = left[: 2 * row]
    # Without the last row of `right`: shifted down, it would be outside the image.
    torch.add(left[2 * row :], right[row : canvas.height * row], out=out[2 * row :])
    return out


def _parted(d_hidden: Tensor, canvas: Canvas) -> list[Tensor]:
    """Return the gradients of both maps. That of the right-to-left map is shifted up by
    one row, and its scan has no last row."""
    return [d_hidden, d_hidden[canvas.row * canvas.batch :]]


FUSED = FusedNetwork(recurrent_block(_scans, _joined, _parted), fits=whole_tiles)
