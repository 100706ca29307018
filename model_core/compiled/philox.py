"""Philox4x64-10 (Salmon et al., 2011), a counter-based generator: the words that
numpy.random.Philox gives, without an object for every row. All functions are
numba's."""
# pyright: reportCallIssue=false, reportIndexIssue=false

import numpy as np
from numba import njit

from model_core.compiled import KEEP

M0, M1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
W0, W1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
ROUNDS = 10
HALF, LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


@njit(inline="always")
def multiply_high(a, b):
    """Return the upper 64 of the 128 bits of a * b (both uint64)."""
    a_low, a_high, b_low, b_high = a & LOW, a >> HALF, b & LOW, b >> HALF
    middle = a_high * b_low + (a_low * b_low >> HALF)
    return (
        a_high * b_high + (middle >> HALF) + ((middle & LOW) + a_low * b_high >> HALF)
    )


@njit(nogil=True, cache=KEEP)
def fill_uniform(key0, key1, of_small, out):
    """Fill out (H, W, C), float64, C at most 4, with uniform numbers in [0, 1): the
    upper 53 bits of word c of the block with the counter (x + 1, y, of_small, 0) and
    the key (key0, key1)."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            c0, c1, c2, c3 = (
                np.uint64(x + 1),
                np.uint64(y),
                np.uint64(of_small),
                np.uint64(0),
            )
            k0, k1 = np.uint64(key0), np.uint64(key1)
            for _ in range(ROUNDS):
                high0, high1 = multiply_high(M0, c0), multiply_high(M1, c2)
                c0, c1, c2, c3 = high1 ^ c1 ^ k0, M1 * c2, high0 ^ c3 ^ k1, M0 * c0
                k0, k1 = k0 + W0, k1 + W1
            words = (c0, c1, c2, c3)
            for c in range(out.shape[2]):
                out[y, x, c] = np.float64(words[c] >> np.uint64(11)) * 2.0**-53
