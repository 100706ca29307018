"""The words that every data set shares, and which image belongs to which split where nobody else has decided it."""

import hashlib
from collections.abc import Sequence
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from model_core.data.pixels import pixels_to_values

Split = Literal["train", "valid", "test"]
Pixels = npt.NDArray[np.uint8]
"""Bytes 0..255, (N, C, H, W) unless said otherwise."""
Values = npt.NDArray[np.uint8]
"""(N, C, H, W) in 0..V-1."""

Number = TypeVar("Number", bound=np.generic)

BINARIZED_MNIST = "binarized MNIST (fixed binarization of Salakhutdinov and Murray 2008: 50,000 / 10,000 / 10,000)"
HASHED_SPLIT = "80 / 10 / 10 % by hash of the pixels"


def spread(values: npt.NDArray[Number], limit: int) -> npt.NDArray[Number]:
    """`limit` images, or their labels, spread evenly over a split (0: all): a file may be sorted, as binarized MNIST's
    test is."""
    if not 0 < limit < len(values):
        return values
    return values[np.arange(limit) * len(values) // limit]


def hashed_split(pixels: bytes) -> Split:
    """The split of an image by its pixels alone: 80, 10, 10 %.

    So copies of an image are on one side, whatever they are called, and adding or removing others never moves it.
    """
    return split_at(hashed_share(pixels))


def split_at(share: float) -> Split:
    """The split of an image at this place between 0 and 1."""
    return "train" if share < 0.8 else "valid" if share < 0.9 else "test"


def hashed_share(pixels: bytes) -> float:
    """The place of an image between 0 and 1, by its pixels alone."""
    return int.from_bytes(hashlib.sha256(pixels).digest()[:8], "big") / 2**64


def few_split(shares: Sequence[float]) -> list[Split]:
    """The splits of images too few for `hashed_split`, by their places between 0 and 1: the last tenth of these, or
    one, for the test, as many for the validation, so that copies are on one side here too."""
    places = sorted(set(shares))
    held_out = max(1, len(places) // 10)
    valid_from, test_from = (
        places[max(0, len(places) - count * held_out)] for count in (2, 1)
    )
    return [
        "train" if share < valid_from else "valid" if share < test_from else "test"
        for share in shares
    ]


def quantise(pixels: Pixels, levels: int) -> Values:
    """Bytes to 0..V-1, any shape; by table, because a data set may be large. 256 values are the bytes themselves."""
    return (
        pixels
        if levels == 256
        else pixels_to_values(np.arange(256, dtype=np.uint8), levels)[pixels]
    )
