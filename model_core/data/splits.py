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
    """Return `limit` images, or their labels, spread evenly over a split, in their
    order; all of them if `limit` is 0 or not less than their number."""
    if not 0 < limit < len(values):
        return values
    # The first ones would not do, because a file may be sorted, as the test split of
    # binarized MNIST is.
    return values[np.arange(limit) * len(values) // limit]


def hashed_split(pixels: bytes) -> Split:
    """Return the split of an image by the hash of its pixels: train with 80 %, valid
    and test with 10 % each.

    So all copies of an image are in one split, whatever their names are, and adding or
    removing other images never moves it.
    """
    return split_at(hashed_share(pixels))


def split_at(share: float) -> Split:
    """Return the split of an image by its number in [0, 1) (`hashed_share`): "train"
    below 0.8, "valid" below 0.9, otherwise "test"."""
    if share < 0.8:
        return "train"
    return "valid" if share < 0.9 else "test"


def hashed_share(pixels: bytes) -> float:
    """Return a number in [0, 1) made of the SHA-256 of an image's pixels. It is evenly
    distributed over images, and decides the image's split."""
    return int.from_bytes(hashlib.sha256(pixels).digest()[:8], "big") / 2**64


def few_split(shares: Sequence[float]) -> list[Split]:
    """Return the splits of images, at least one, that are too few for `hashed_split`,
    in their order. The last tenth of the different shares, at least one, is the test
    split, and the tenth before it the validation split. Copies of an image are in the
    same split.

    shares: for each image its number in [0, 1) (`hashed_share`).
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
    """Return the values 0..V-1 of bytes of any shape, each the nearest one. With 256
    levels these are the bytes themselves, not a copy.

    levels: V.
    """
    if levels == 256:
        return pixels
    table = pixels_to_values(np.arange(256, dtype=np.uint8), levels)
    return table[pixels]
