"""Conversion between values (0..V-1, in a network) and pixels (0..255, in a picture).
No other file converts them."""

import numpy as np
from numpy.typing import NDArray


def values_to_pixels(values: NDArray[np.integer], levels: int) -> NDArray[np.uint8]:
    """Return the pixels of values of any shape: 0..V-1 spread evenly over 0..255 and
    rounded. `pixels_to_values` returns the same values again.

    levels: V.
    """
    return ((values.astype(np.int64) * 255 + (levels - 1) // 2) // (levels - 1)).astype(
        np.uint8
    )


def pixels_to_values(pixels: NDArray[np.uint8], levels: int) -> NDArray[np.uint8]:
    """Return the nearest of V values for each byte. With V = 2, 128 and above are 1.

    levels: V.
    """
    return ((pixels.astype(np.int64) * (levels - 1) + 127) // 255).astype(np.uint8)


def nearest_values(
    pixels: NDArray[np.uint8], levels: int
) -> tuple[NDArray[np.uint8], int]:
    """Return the nearest values of pixels (C, H, W), and how many of the H * W pixels
    are not exactly the pixel of their value.

    levels: V.
    """
    values = pixels_to_values(pixels, levels)
    moved = (values_to_pixels(values, levels) != pixels).any(0)
    return values, int(moved.sum())
