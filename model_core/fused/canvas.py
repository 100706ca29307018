"""Canvases (M, F): maps in the layout that the compiled scans need (compiled/scans.py).
A canvas has a row above and a column to the left of the image, and all images of a
position follow each other. So every neighbour of a pixel is at a fixed distance."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Canvas:
    """The layout of a canvas (M, F), M = (height + 1) * (width + 1) * batch.

    batch: images, a multiple of four. dtype: the type of the factors of products,
        float32 or bfloat16.
    """

    batch: int
    height: int
    width: int
    dtype: torch.dtype

    @property
    def row(self) -> int:
        """Distance from a position to the one below it, in positions."""
        return self.width + 1

    def of(self, x: Tensor) -> Tensor:
        """Return maps (B, F, H, W) as a canvas (M, F), with zeros outside the image and
        in the images that pad the batch."""
        spare = self.batch - x.shape[0]
        return functional.pad(
            x.permute(2, 3, 0, 1), (0, 0, 0, spare, 1, 0, 1, 0)
        ).flatten(0, 2)

    def maps(self, canvas: Tensor, batch: int) -> Tensor:
        """Undo `of`: return a canvas (M, F) as maps (B, F, H, W). batch: B, without the
        images that pad the batch."""
        grid = canvas.unflatten(0, (self.height + 1, self.width + 1, self.batch))
        return grid[1:, 1:, :batch].permute(2, 3, 0, 1)
