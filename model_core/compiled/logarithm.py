"""The natural logarithm with the same bits on every CPU: the compiled form of
elementary.log."""

import math

from numba import njit

from model_core.compiled import LEAN

LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
"""ln 2 in two parts: the product of the first part and an integer up to 2^20 is
exact."""
ATANH = tuple(1 / (2 * k + 1) for k in range(11, -1, -1))
"""Coefficients of artanh(s) / s in powers of s^2, the highest first."""
TOP = 2 * math.sqrt(0.5)


@njit(**LEAN)
def logarithm(x):
    """Return ln x, float64, for x of about 1 or more; NaN for NaN. The bits are the
    same on every CPU."""
    power = 0.0
    while x >= TOP:
        x *= 0.5
        power += 1.0
    s = (x - 1.0) / (x + 1.0)
    total = 0.0
    for each in ATANH:
        total = total * (s * s) + each
    return power * LN2_HIGH + (power * LN2_LOW + 2.0 * s * total)
