"""Canvases (M, F): maps laid out as the compiled scans walk them (compiled/scans.py), with a row and a column before
the image, all images of a position one after the other. Every neighbour of a pixel lies at a fixed distance."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Canvas:
    """The sizes behind a canvas (M, F), M = (height + 1) * (width + 1) * batch, and what its products multiply."""

    batch: int
    height: int
    width: int
    dtype: torch.dtype

    @property
    def row(self) -> int:
        """How many positions further down the next row is."""
        return self.width + 1

    def of(self, x: Tensor) -> Tensor:
        """(B, F, H, W) -> (M, F) with zeros outside the image, and in the images that fill up the batch."""
        spare = self.batch - x.shape[0]
        return functional.pad(
            x.permute(2, 3, 0, 1), (0, 0, 0, spare, 1, 0, 1, 0)
        ).flatten(0, 2)

    def maps(self, canvas: Tensor, batch: int) -> Tensor:
        """Undo `of`: (M, F) -> (B, F, H, W)."""
        grid = canvas.unflatten(0, (self.height + 1, self.width + 1, self.batch))
        return grid[1:, 1:, :batch].permute(2, 3, 0, 1)
