"""A work list: which pixels to compute now, each of its own image at its own place."""

from dataclasses import dataclass

from torch import Tensor

SMALLEST_BATCH = 4
"""Rows of a matrix product are bitwise the same for every batch of at least this many; smaller ones round otherwise."""


@dataclass(frozen=True)
class Positions:
    """M pixels: slot, y and x are (M,) int64. Where live (M,) is False nothing is asked for: slot is one that no image
    has, and the pixel is computed and thrown away, so that M is always the same."""

    slot: Tensor
    y: Tensor
    x: Tensor
    live: Tensor
