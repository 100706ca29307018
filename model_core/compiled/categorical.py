"""Drawing from logits, and weighing values by them: the compiled twin of distribution.Categorical."""
# pyright: reportCallIssue=false, reportArgumentType=false
# numba passes an intrinsic's first parameter itself

import math

import numpy as np
from numba import njit

from model_core.compiled import LEAN
from model_core.compiled.logarithm import logarithm
from model_core.compiled.products import everywhere
from model_core.compiled.tiles import exponentials
from model_core.compiled.vector_code import LANES


@njit(**LEAN)
def draw_value(logits, values, noise, temperature, weights):
    """The smallest value whose cumulative probability exceeds the noise; -1 when a logit is not finite.

    logits (V or more,) float32; weights: scratch, float32, V padded to whole vectors.
    """
    _, total = exponentiate(logits, values, temperature, weights)
    if math.isnan(total):
        return -1
    reached = 0.0
    for v in range(values):
        reached += np.float64(weights[v])
        if reached > noise * total:
            return v
    return values - 1


@njit(**LEAN)
def log_p_of_value(logits, values, value, temperature, weights):
    """ln p of one of the values, float64; NaN when a logit is not finite. Arguments as in draw_value."""
    top, total = exponentiate(logits, values, temperature, weights)
    return (np.float64(logits[value]) - np.float64(top)) / temperature - logarithm(
        total
    )


@njit(inline="always")
def exponentiate(logits, values, temperature, weights):
    """weights = exp((logits - the largest) / temperature); returns the largest logit and the sum of the weights, which
    is NaN when a logit is not finite."""
    top = logits[0]
    finite = True
    for v in range(values):
        finite &= math.isfinite(logits[v])
        top = max(top, logits[v])
    if not finite:
        return top, math.nan
    for v in range(values):
        weights[v] = np.float32((np.float64(logits[v]) - np.float64(top)) / temperature)
    at = everywhere(weights, weights)  # one pixel, whatever its cell
    exponentials(1, len(weights) // LANES, at, at)
    total = 0.0
    for v in range(values):
        total += np.float64(weights[v])
    return top, total
