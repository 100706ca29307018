"""A list of pixels to compute now, each of an image of its own."""

from dataclasses import dataclass

from torch import Tensor

SMALLEST_BATCH = 4
"""Each row of a matrix product has the same bits for every batch of at least this many
rows; smaller batches are rounded in another way."""


@dataclass(frozen=True)
class Positions:
    """M pixels that one tick computes, one for each place of the schedule.

    slot, y, x: int64 (M,).
    live: bool (M,). If False, the place has no pixel in this tick: its slot is one that
        no image has, and what is computed for it is not used. This keeps M constant.
    """

    slot: Tensor
    y: Tensor
    x: Tensor
    live: Tensor
