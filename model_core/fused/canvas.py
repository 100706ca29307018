"""Canvases: maps in the layout that the compiled scans need (compiled/scans.py).

A canvas is a matrix (M, F). Each of its rows holds the features of one pixel of one
image; the rows of a pixel of all images follow each other. There is a row of pixels
above the image and a column to the left of it, so that every neighbour of a pixel is at
a fixed distance.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Canvas:
    """The layout of a canvas (M, F), M = (height + 1) * (width + 1) * batch: pixels in
    raster order, with one row above and one column to the left of the image, and for
    each pixel all images.

    batch: images, a multiple of four.
    height, width: of an image.
    dtype: the type of the factors of products, float32 or bfloat16.
    """

    batch: int
    height: int
    width: int
    dtype: torch.dtype

    @property
    def row(self) -> int:
        """Distance from a pixel to the one below it, in pixels: width + 1. In rows of
        the canvas it is `batch` times as much."""
        return self.width + 1

    def of(self, x: Tensor) -> Tensor:
        """Return maps (B, F, H, W), B at most `batch`, as a new canvas (M, F), with
        zeros outside the image and in the images that fill up the batch."""
        spare = self.batch - x.shape[0]
        return functional.pad(
            x.permute(2, 3, 0, 1), (0, 0, 0, spare, 1, 0, 1, 0)
        ).flatten(0, 2)

    def maps(self, canvas: Tensor, batch: int) -> Tensor:
        """Undo `of`: return a view of a canvas (M, F) as maps (B, F, H, W).

        batch: B, without the images that fill up the batch.
        """
        grid = canvas.unflatten(0, (self.height + 1, self.width + 1, self.batch))
        return grid[1:, 1:, :batch].permute(2, 3, 0, 1)
