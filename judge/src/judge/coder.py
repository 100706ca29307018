"""An arithmetic coder in exact integers: slow, short, and without a case to forget.

The state of the coder is one interval of a unit that is divided ever finer. Python's
integers have no limit, so nothing is ever carried or renormalised.
"""

import math

import numpy as np

PRECISION = 32
"""Bits of a frequency: every row of frequencies sums to 2^32.

Each value gets at least 1, so even 100,000 values cost less than 1e-4 bits of excess.
"""

TOTAL = 1 << PRECISION


def cumulative_frequencies(nats: np.ndarray) -> list[int]:
    """Return the limits of the V parts into which [0, 2^32] is divided.

    Args:
        nats: -ln p of each value, `(V,)`. It need not be normalised; NaN counts as
            probability 0, and if nothing is left all values are equally likely.
    """
    # Below -600 no answer is meant seriously, and exp must not overflow.
    weights = np.exp(
        -np.clip(np.nan_to_num(nats, nan=np.inf, posinf=np.inf), -600, None)
    )
    if weights.sum() <= 0:
        weights = np.ones_like(weights)
    spare = TOTAL - len(weights)
    frequencies = (weights / weights.sum() * spare).astype(np.int64) + 1
    # What rounding left over goes to the likeliest value, where it changes least.
    frequencies[np.argmax(frequencies)] += TOTAL - int(frequencies.sum())
    return [0, *np.cumsum(frequencies).tolist()]


class Encoder:
    """Narrow an interval value by value."""

    def __init__(self) -> None:
        self._low = 0
        self._width = 1
        self._coded = 0

    def encode(self, limits: list[int], value: int) -> None:
        """Add a value whose part of [0, 2^32] is `limits[value]` to the next limit."""
        self._low = (self._low << PRECISION) + self._width * limits[value]
        self._width *= limits[value + 1] - limits[value]
        self._coded += 1

    def finish(self) -> bytes:
        """Return the shortest whole number of bytes that names a point inside."""
        unit = PRECISION * self._coded
        size = max(0, unit - self._width.bit_length() + 1)
        length = math.ceil(size / 8)
        while True:
            # The first multiple of 2^-(8 length) that is not below the interval.
            shift = unit - 8 * length
            if shift >= 0:
                code = -(-self._low >> shift)
                is_inside = code << shift < self._low + self._width
            else:
                code = self._low << -shift
                is_inside = True
            if is_inside:
                return code.to_bytes(length, "big")
            length += 1


class Decoder:
    """Read the values back, given the same limits in the same order."""

    def __init__(self, data: bytes) -> None:
        self._code = int.from_bytes(data, "big")
        self._bits = 8 * len(data)
        self._low = 0
        self._width = 1
        self._coded = 0

    def decode(self, limits: list[int]) -> int:
        """Return the next value."""
        self._coded += 1
        self._low <<= PRECISION
        code = self._code << (PRECISION * self._coded)
        offset = code - (self._low << self._bits)
        target = offset // (self._width << self._bits)
        value = int(np.searchsorted(limits, target, side="right")) - 1
        value = min(value, len(limits) - 2)
        self._low += self._width * limits[value]
        self._width *= limits[value + 1] - limits[value]
        return value
