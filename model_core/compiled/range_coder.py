"""A range coder (Martin, 1979) for values whose weights the network has just computed.
All functions are numba's.

The code is a number in an interval that narrows with each value, in proportion to the
value's probability. Leading bytes are written as soon as both ends of the interval
agree on them. If the ends do not agree and the interval has become narrow, it is cut at
the next multiple of 2^32, so that no carry ever reaches a byte that is written
(Subbotin's carryless coder). With 64 bits that is so rare that it costs nothing.

Probabilities are integers out of 2^24, computed from the weights by a fixed order of
IEEE operations: the same on every machine that computes the same weights. Every value
has at least 1, so that every image can be coded.
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
"""Maximum number of bytes that are written or read for a value."""

LOW, RANGE, READ, PLACE = range(4)
"""The registers: lower end of the interval; its length; in a decoder the number that is
decoded; the place in the code up to which bytes were written or read."""
REGISTERS = 4
WHOLE = (1 << 64) - 1
"""Length of the first interval."""

_PRECISION, _BYTE, _TOP = np.uint64(PRECISION), np.uint64(8), np.uint64(56)
_NARROW = np.uint64(1 << 32)


class Coder(NamedTuple):
    """The state of a range coder between two images, and the code that it reads or has
    written."""

    registers: NDArray[np.uint64]
    """(REGISTERS,): LOW, RANGE, READ and PLACE."""
    code: NDArray[np.uint8]
    """The bytes that a decoder reads next, or that an encoder has written, up to
    registers[PLACE]; up to BYTES_A_VALUE for each value of an image."""


@njit(**LEAN)
def encode_value(value, weights, total, values, registers, code):
    """Encode a value, 0..V-1: narrow the coder's interval to its part, and write bytes
    to `code` as far as they are decided.

    weights: float32, at least V, in proportion to the probabilities.
    total: sum of the weights, float64.
    values: V.
    registers: uint64 (REGISTERS,), the coder's state; changed.
    code: uint8, the bytes that are written; up to BYTES_A_VALUE (8) for each value.
    """
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
    """Decode a value, 0..V-1, and return it, reading bytes of `code`. Any code gives
    some value.

    weights, total, values, registers: as for `encode_value`.
    code: uint8, the bytes that are read.
    """
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
