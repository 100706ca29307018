"""A range coder (Martin, 1979) for values whose weights the network has just given. All functions are numba's.

What was coded is a number in an interval that narrows with each value, in the proportion of the value's probability.
Leading bytes go out as soon as both ends agree on them. Where the ends do not agree and the interval has become narrow,
it is cut at the next multiple of 2^32, so that no carry ever reaches a byte that is out (Subbotin's carryless coder);
that is so rare with 64 bits that it costs nothing.

Probabilities are whole numbers out of 2^24, made of the weights in a fixed order of IEEE operations: the same on every
machine that gives the same weights. Every value has at least one, so that every image can be coded.
"""
# pyright: reportCallIssue=false, reportArgumentType=false

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from model_core.compiled import LEAN

PRECISION = 24
TOTAL = 1 << PRECISION
BYTES_A_VALUE = 8
"""No value puts out or takes in more."""

LOW, RANGE, READ, PLACE = range(4)
"""The registers: the interval's lower end and its length; of a decoder the number that was coded; the place in the code
up to which bytes were put out or taken in."""
REGISTERS = 4
WHOLE = (1 << 64) - 1
"""The length of the first interval."""

_PRECISION, _BYTE, _TOP = np.uint64(PRECISION), np.uint64(8), np.uint64(56)
_NARROW = np.uint64(1 << 32)


class Coder(NamedTuple):
    """A range coder between two images."""

    registers: NDArray[np.uint64]
    """(REGISTERS,)"""
    code: NDArray[np.uint8]
    """Bytes that are taken in next, or were put out: up to BYTES_A_VALUE for each value of an image."""


@njit(**LEAN)
def encode_value(value, weights, total, values, registers, code):
    """Narrow the interval to that of a value; weights (V,) float32, which add up to `total`."""
    scale = (TOTAL - values) / total
    below = 0.0
    for v in range(value):
        below += np.float64(weights[v])
    start, end = int(below * scale) + value, TOTAL
    if value < values - 1:
        end = int((below + np.float64(weights[value])) * scale) + value + 1
    _narrow(start, end, registers)
    while _leading_byte_is_settled(registers):
        code[registers[PLACE]] = np.uint8(registers[LOW] >> _TOP)
        _shift(registers)


@njit(**LEAN)
def decode_value(weights, total, values, registers, code):
    """The value in whose interval the coded number lies; arguments as in encode_value. Any code gives some value."""
    scale = (TOTAL - values) / total
    step = registers[RANGE] >> _PRECISION
    reached = min((registers[READ] - registers[LOW]) // step, np.uint64(TOTAL - 1))
    below, start, v = 0.0, 0, 0
    while True:
        below += np.float64(weights[v])
        end = int(below * scale) + v + 1 if v < values - 1 else TOTAL
        if reached < np.uint64(end):
            break
        start, v = end, v + 1
    _narrow(start, end, registers)
    while _leading_byte_is_settled(registers):
        registers[READ] = registers[READ] << _BYTE | np.uint64(code[registers[PLACE]])
        _shift(registers)
    return v


@njit(inline="always")
def _narrow(start, end, registers):
    step = registers[RANGE] >> _PRECISION
    registers[LOW] += np.uint64(start) * step
    registers[RANGE] = np.uint64(end - start) * step


@njit(inline="always")
def _leading_byte_is_settled(registers):
    """True if both ends agree on the leading byte; in a narrow interval they are made to."""
    low, length = registers[LOW], registers[RANGE]
    if (low ^ (low + length)) >> _TOP == np.uint64(0):
        return True
    if length >= _NARROW:
        return False
    registers[RANGE] = _NARROW - (low & (_NARROW - np.uint64(1)))
    return True


@njit(inline="always")
def _shift(registers):
    registers[LOW] <<= _BYTE
    registers[RANGE] <<= _BYTE
    registers[PLACE] += np.uint64(1)
