"""Canvases (Q, B, F): maps laid out as the compiled scans walk them (compiled/scans.py), with a row and a column before
the image. On a canvas every neighbour of a pixel lies at a fixed distance, whatever the batch."""

from torch import Tensor
from torch.nn import functional


def to_canvas(x: Tensor, tile: int) -> Tensor:
    """(B, F, H, W) -> (Q, B', F) with zeros outside the image, and in the images that pad B to a multiple of tile."""
    spare = -x.shape[0] % tile
    return functional.pad(x.permute(2, 3, 0, 1), (0, 0, 0, spare, 1, 0, 1, 0)).flatten(0, 1)


def from_canvas(canvas: Tensor, batch: int, height: int, width: int) -> Tensor:
    """Undo to_canvas: (Q, B', F) -> (B, F, H, W)."""
    grid = canvas.unflatten(0, (height + 1, width + 1))
    return grid[1:, 1:, :batch].permute(2, 3, 0, 1)
