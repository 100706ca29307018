"""A map that is kept of a job, such as the bits of each variable (`keys.image`): how its bytes are read."""

import struct
from collections.abc import Sequence


def unpack_map(
    raw: bytes, height: int, width: int, channels: int
) -> Sequence[Sequence[Sequence[float]]]:
    """The bytes of a map, such as the field `bits`, as H rows of W pixels of C numbers.

    Raises struct.error for another length.
    """
    flat = struct.unpack(f"<{height * width * channels}f", raw)
    pixels = [flat[i : i + channels] for i in range(0, len(flat), channels)]
    return [pixels[y * width : (y + 1) * width] for y in range(height)]
