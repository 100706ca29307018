"""The terms that all data sets share, and the split of images for which no split was
published."""

import hashlib
from collections.abc import Sequence
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from model_core.data.pixels import pixels_to_values

Split = Literal["train", "valid", "test"]
Pixels = npt.NDArray[np.uint8]
"""Bytes 0..255, (N, C, H, W) unless stated otherwise."""
Values = npt.NDArray[np.uint8]
"""(N, C, H, W) in 0..V-1."""

Number = TypeVar("Number", bound=np.generic)

BINARIZED_MNIST = (
    "binarized MNIST (fixed binarization of Salakhutdinov and Murray 2008: 50,000 / "
    "10,000 / 10,000)"
)
HASHED_SPLIT = "80 / 10 / 10 % by hash of the pixels"


def spread(values: npt.NDArray[Number], limit: int) -> npt.NDArray[Number]:
    """Return `limit` images, or their labels, spread evenly over a split; all of them
    if `limit` is 0. The first ones would not do, because a file may be sorted, as the
    test split of binarized MNIST is."""
    if not 0 < limit < len(values):
        return values
    return values[np.arange(limit) * len(values) // limit]


def hashed_split(pixels: bytes) -> Split:
    """Return the split of an image by the hash of its pixels: train 80 %, valid 10 %,
    test 10 %.

    So all copies of an image are in one split, whatever their names are, and adding or
    removing other images never moves it.
    """
    return split_at(hashed_share(pixels))


def split_at(share: float) -> Split:
    """Return the split of an image with this place between 0 and 1: "train" below 0.8,
    "valid" below 0.9, otherwise "test"."""
    if share < 0.8:
        return "train"
    return "valid" if share < 0.9 else "test"


def hashed_share(pixels: bytes) -> float:
    """Return the place of an image between 0 and 1, by the hash of its pixels."""
    return int.from_bytes(hashlib.sha256(pixels).digest()[:8], "big") / 2**64


def few_split(shares: Sequence[float]) -> list[Split]:
    """Return the splits of images that are too few for `hashed_split`, given their
    places between 0 and 1 (`hashed_share`).

    The last tenth of the different places, at least one, is the test split, and the
    tenth before it the validation split. Copies have the same place and so the same
    split here too.
    """
    places = sorted(set(shares))
    held_out = max(1, len(places) // 10)
    valid_from = places[max(0, len(places) - 2 * held_out)]
    test_from = places[max(0, len(places) - held_out)]

    def split(share: float) -> Split:
        if share < valid_from:
            return "train"
        return "valid" if share < test_from else "test"

    return [split(share) for share in shares]


def quantise(pixels: Pixels, levels: int) -> Values:
    """Return the values 0..V-1 of bytes of any shape; `levels` is V. Uses a table,
    because a data set may be large. With 256 levels it returns the bytes themselves."""
    if levels == 256:
        return pixels
    table = pixels_to_values(np.arange(256, dtype=np.uint8), levels)
    return table[pixels]
