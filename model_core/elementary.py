"""exp, log and sums of float64 that give the same bits on every CPU, because the
weights computed with them decide which images are drawn.

NumPy's exp, log and sums of products differ between CPUs in the last bit. Additions,
multiplications, divisions and scaling by powers of two are rounded in the same way
everywhere, and these functions use nothing else. `exp` and `log` are accurate to two
units in the last place.
"""

import math
from collections.abc import Sequence, Sized

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
"""ln 2 in two parts: the product of the first part and an integer up to 2^20 is exact.
"""

# Coefficients of the Taylor series, highest power first.
_ATANH = [1 / (2 * k + 1) for k in range(11, -1, -1)]
_EXP = [1 / math.factorial(k) for k in range(13, -1, -1)]


def exp(x: Floats) -> Floats:
    """Return e^x; 0 for -inf and for x below about -745."""
    x = np.maximum(x, -800.0)
    whole = np.rint(x * (1 / math.log(2)))
    rest = (x - whole * _LN2_HIGH) - whole * _LN2_LOW  # at most ln 2 / 2
    return np.ldexp(_polynomial(_EXP, rest), whole.astype(np.int64))


def log(x: Floats) -> Floats:
    """Return ln x, for x > 0."""
    fraction, power = np.frexp(x)
    # Move the fraction into [sqrt(0.5), sqrt(2)), where the series converges fast.
    small = fraction < math.sqrt(0.5)
    fraction = np.where(small, 2 * fraction, fraction)
    power = power - small
    s = (fraction - 1) / (fraction + 1)
    return power * _LN2_HIGH + (power * _LN2_LOW + 2 * s * _polynomial(_ATANH, s * s))


def log_sum(log_terms: Floats) -> float:
    """Return the ln of a sum, given the logarithms (N,) of its terms. At least one must
    be finite."""
    top = log_terms.max()
    return float(top + log(np.array(math.fsum(exp(log_terms - top).tolist()))))


def log_mean(log_terms: Floats) -> float:
    """Return the ln of a mean, given the logarithms (N,) of its terms."""
    return log_sum(log_terms) - log_count(log_terms)


def log_count(things: Sized) -> float:
    """Return the ln of the number of items."""
    return float(log(np.array(float(len(things)))))


def shares(log_terms: Floats) -> Floats:
    """Return each term's share of the sum of all, (N,), given the logarithms (N,) of
    the terms. The shares add up to 1."""
    terms = exp(log_terms - log_terms.max())
    return terms / math.fsum(terms.tolist())  # far faster than of an array


def total(terms: Floats) -> Floats:
    """Return the sum over the first dimension, added in its order: (N, ...) ->
    (...)."""
    return np.add.accumulate(terms, 0)[-1]


def deviation(values: Floats) -> float:
    """Return the sample standard deviation (divisor N - 1) of at least two values
    (N,)."""
    deviations = values - math.fsum(values) / len(values)
    return math.sqrt(math.fsum(deviations * deviations) / (len(values) - 1))


def log2(x: Floats) -> Floats:
    """Return the binary logarithm of x, for x > 0."""
    return log(x) / math.log(2)


def _polynomial(coefficients: Sequence[float], x: Floats) -> Floats:
    total = np.zeros_like(x)
    for each in coefficients:
        total = total * x + each
    return total
