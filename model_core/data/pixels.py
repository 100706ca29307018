"""Values are what a network knows, 0..V-1; pixels are what a picture holds, 0..255. Only this file converts them."""

import numpy as np
from numpy.typing import NDArray


def values_to_pixels(values: NDArray[np.integer], levels: int) -> NDArray[np.uint8]:
    """Spread 0..V-1 evenly over 0..255, rounded, any shape; `levels` is V. pixels_to_values brings each value back."""
    return ((values.astype(np.int64) * 255 + (levels - 1) // 2) // (levels - 1)).astype(
        np.uint8
    )


def pixels_to_values(pixels: NDArray[np.uint8], levels: int) -> NDArray[np.uint8]:
    """The nearest of V values for each byte; with V = 2, white (>= 128) is 1."""
    return ((pixels.astype(np.int64) * (levels - 1) + 127) // 255).astype(np.uint8)


def nearest_values(
    pixels: NDArray[np.uint8], levels: int
) -> tuple[NDArray[np.uint8], int]:
    """Pixels (C, H, W) as the nearest of `levels` values, and how many of the H * W pixels that moved."""
    values = pixels_to_values(pixels, levels)
    moved = (values_to_pixels(values, levels) != pixels).any(0)
    return values, int(moved.sum())
