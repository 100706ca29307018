"""A list of pixels to compute now, each of an image of its own."""

from dataclasses import dataclass

from torch import Tensor

SMALLEST_BATCH = 4
"""Each row of a matrix product has the same bits for every batch of at least this many
rows; smaller batches are rounded in another way."""


@dataclass(frozen=True)
class Positions:
    """M pixels that one tick computes. A tick is a part of a step in which every place
    computes at most one pixel; places are the rows that are drawn at the same time,
    some for each image (Schedule). A slot is the number under which an image is kept.

    slot, y, x: int64 (M,), slot, row and column of each pixel.
    live: bool (M,). If False, the place has no pixel in this tick: its slot is one that
        no image has, and what is computed for it is not used. This keeps M constant.
    """

    slot: Tensor
    y: Tensor
    x: Tensor
    live: Tensor
