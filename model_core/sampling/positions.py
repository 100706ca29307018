"""A work list: which pixels to compute now, each of its own image at its own place."""

from dataclasses import dataclass

import torch
from torch import Tensor

SMALLEST_BATCH = 4
"""Rows of a matrix product are bitwise the same for every batch of at least this many; smaller ones round otherwise."""


@dataclass(frozen=True)
class Positions:
    """M pixels: slot, y and x are (M,) int64. The first `real` are asked for; the rest pad a small batch with pixels of
    the scratch slot, so that no image's bits depend on how many others are drawn beside it."""

    slot: Tensor
    y: Tensor
    x: Tensor
    real: int

    @classmethod
    def of(cls, slots: list[int], y: Tensor, x: Tensor, scratch: int) -> "Positions":
        """The pixels that images in `slots` have come to; y and x are (slots,), one entry for every slot there is."""
        spare = max(0, SMALLEST_BATCH - len(slots))
        slot = torch.tensor(slots + [scratch] * spare, dtype=torch.int64)
        return cls(slot, y[slot], x[slot], len(slots))
