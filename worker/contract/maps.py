"""Reads maps: a number for each variable of a picture, such as its bits
(`keys.image`)."""

import struct
from collections.abc import Sequence


def unpack_map(
    raw: bytes, height: int, width: int, channels: int
) -> Sequence[Sequence[Sequence[float]]]:
    """Return a stored map, such as the field `bits`, as H rows of W pixels of C
    numbers.

    raw: H*W*C float32, little-endian, row by row and pixel by pixel.
    """
    flat = struct.unpack(f"<{height * width * channels}f", raw)
    pixels = [flat[i : i + channels] for i in range(0, len(flat), channels)]
    return [pixels[y * width : (y + 1) * width] for y in range(height)]
