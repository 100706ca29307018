"""The words that every data set shares."""

from typing import Literal

import numpy as np
import numpy.typing as npt

Split = Literal["train", "valid", "test"]
Values = npt.NDArray[np.uint8]
"""(N, C, H, W) in 0..V-1."""

BINARIZED_MNIST = "binarized MNIST (fixed binarization of Salakhutdinov and Murray 2008: 50,000 / 10,000 / 10,000)"


def spread(values: Values, limit: int) -> Values:
    """`limit` images spread evenly over a split (0: all): a file may be sorted, as binarized MNIST's test is."""
    if not 0 < limit < len(values):
        return values
    return values[np.arange(limit) * len(values) // limit]
