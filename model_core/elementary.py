"""exp, log and sums of float64 with the same bits on every processor: weights decide which images are drawn.

NumPy's exp and log differ between processors in the last bit, and so do sums of products. Sums, products, quotients and
powers of two are rounded in one way everywhere, and these functions are made of nothing else. Both come within two
units in the last place.
"""

import math
from collections.abc import Sequence, Sized

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
"""ln 2 in two parts: a whole number up to 2^20 times the first one is exact."""

_ATANH = [1 / (2 * k + 1) for k in range(11, -1, -1)]
_EXP = [1 / math.factorial(k) for k in range(13, -1, -1)]


def exp(x: Floats) -> Floats:
    """e^x; 0 of -inf and of what is below -745."""
    x = np.maximum(x, -800.0)
    whole = np.rint(x * (1 / math.log(2)))
    rest = (x - whole * _LN2_HIGH) - whole * _LN2_LOW  # at most ln 2 / 2
    return np.ldexp(_polynomial(_EXP, rest), whole.astype(np.int64))


def log(x: Floats) -> Floats:
    """ln x of x > 0."""
    fraction, power = np.frexp(x)
    small = fraction < math.sqrt(0.5)
    fraction, power = np.where(small, 2 * fraction, fraction), power - small
    s = (fraction - 1) / (fraction + 1)
    return power * _LN2_HIGH + (power * _LN2_LOW + 2 * s * _polynomial(_ATANH, s * s))


def log_sum(log_terms: Floats) -> float:
    """ln of a sum, given the logarithms of its terms (N,), of which one at least is finite."""
    top = log_terms.max()
    return float(top + log(np.array(math.fsum(exp(log_terms - top)))))


def log_mean(log_terms: Floats) -> float:
    """ln of the mean."""
    return log_sum(log_terms) - log_count(log_terms)


def log_count(things: Sized) -> float:
    """ln of how many there are."""
    return float(log(np.array(float(len(things)))))


def shares(log_terms: Floats) -> Floats:
    """Terms (N,), given by their logarithms, as parts of their sum."""
    terms = exp(log_terms - log_terms.max())
    return terms / math.fsum(terms)


def total(terms: Floats) -> Floats:
    """The sum over the first dimension, of one term after the other: (N, ...) -> (...)."""
    return np.add.accumulate(terms, 0)[-1]


def deviation(values: Floats) -> float:
    """The standard deviation of what several values (N,), two at least, are drawn from."""
    apart = values - math.fsum(values) / len(values)
    return math.sqrt(math.fsum(apart * apart) / (len(values) - 1))


def log2(x: Floats) -> Floats:
    """Binary logarithm of x > 0."""
    return log(x) / math.log(2)


def _polynomial(coefficients: Sequence[float], x: Floats) -> Floats:
    total = np.zeros_like(x)
    for each in coefficients:
        total = total * x + each
    return total
