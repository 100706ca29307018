"""The range coder of one image, which takes the place of its noise. It computes what
compiled/range_coder.py does.

The registers are bits of uint64 in cells of int64. numba would make float64 of a sum of
both types, so everything is uint64 between a load and a store.
"""
# pyright: reportCallIssue=false, reportArgumentType=false

import numpy as np
from numba import njit

from model_core.blocks.arithmetic import PHASE
from model_core.blocks.memory import (
    load,
    load_byte,
    load_int,
    store_byte,
    store_int,
)
from model_core.blocks.record import CODER, CODES, VALUES, image_at, size
from model_core.compiled.range_coder import LOW, PLACE, PRECISION, RANGE, READ, TOTAL

_PRECISION, _BYTE, _TOP = np.uint64(PRECISION), np.uint64(8), np.uint64(56)
_NARROW = np.uint64(1 << 32)
_ZERO, _ONE, _LAST = np.uint64(0), np.uint64(1), np.uint64(TOTAL - 1)


@njit(**PHASE)
def encode_value(block, value, weights, total):
    """Encode a value with the block's range coder: narrow the interval to its part, and
    write bytes to CODES as far as they are decided.

    weights: address of the values' float32 weights, which add up to `total`.
    total: float64.
    """
    values = size(block, VALUES)
    scale = np.float64(TOTAL - values) / total
    below = 0.0
    v = 0
    while v < value:
        below += np.float64(load(weights, v))
        v += 1
    start = int(below * scale) + value
    end = TOTAL
    if value < values - 1:
        end = int((below + np.float64(load(weights, value))) * scale) + value + 1
    _narrow(block, start, end)
    code = image_at(block, CODES)
    while _leading_byte_is_settled(block):
        store_byte(code, _place(block), _register(block, LOW) >> _TOP)
        _shift(block)


@njit(**PHASE)
def decode_value(block, weights, total):
    """Decode a value with the block's range coder and return it; bytes of CODES are
    read.

    weights, total: as for `encode_value`.
    """
    values = size(block, VALUES)
    scale = np.float64(TOTAL - values) / total
    step = _register(block, RANGE) >> _PRECISION
    reached = (_register(block, READ) - _register(block, LOW)) // step
    if reached > _LAST:
        reached = _LAST
    below = 0.0
    start, end = 0, 0
    v = 0
    while True:
        below += np.float64(load(weights, v))
        end = TOTAL
        if v < values - 1:
            end = int(below * scale) + v + 1
        # Both ends of the last value's interval lie above in any case.
        if v == values - 1 or reached < np.uint64(end):
            break
        start = end
        v += 1
    _narrow(block, start, end)
    code = image_at(block, CODES)
    while _leading_byte_is_settled(block):
        byte = load_byte(code, _place(block))
        _set_register(block, READ, _register(block, READ) << _BYTE | byte)
        _shift(block)
    return v


@njit(**PHASE)
def _register(block, number):
    return np.uint64(load_int(image_at(block, CODER), number))


@njit(**PHASE)
def _set_register(block, number, bits):
    store_int(image_at(block, CODER), number, np.int64(bits))


@njit(**PHASE)
def _place(block):
    return load_int(image_at(block, CODER), PLACE)


@njit(**PHASE)
def _narrow(block, start, end):
    step = _register(block, RANGE) >> _PRECISION
    _set_register(block, LOW, _register(block, LOW) + np.uint64(start) * step)
    _set_register(block, RANGE, np.uint64(end - start) * step)


@njit(**PHASE)
def _leading_byte_is_settled(block):
    """Return True if both ends agree on the leading byte; cut a narrow interval so that
    they do."""
    low, length = _register(block, LOW), _register(block, RANGE)
    if (low ^ (low + length)) >> _TOP == _ZERO:
        return True
    if length >= _NARROW:
        return False
    _set_register(block, RANGE, _NARROW - (low & (_NARROW - _ONE)))
    return True


@njit(**PHASE)
def _shift(block):
    _set_register(block, LOW, _register(block, LOW) << _BYTE)
    _set_register(block, RANGE, _register(block, RANGE) << _BYTE)
    store_int(image_at(block, CODER), PLACE, _place(block) + 1)
