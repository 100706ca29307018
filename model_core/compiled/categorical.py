"""Draw a value from logits, and compute its ln p: the compiled form of
distribution.Categorical."""
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
    """Return the value that a uniform number chooses: the smallest one whose cumulative
    probability exceeds it. Return -1 if a logit is not finite.

    logits: float32, at least `values` of them; only the first `values` count.
    values: V.
    noise: the uniform number, in [0, 1).
    temperature: divides the logits.
    weights: float32 scratch, V padded to whole vectors of 16; overwritten with
        exp((logit - largest logit) / temperature) of each value.
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
    """Return ln p of `value`, 0..V-1, float64; NaN if a logit is not finite.

    logits: float32, at least `values` (V) of them.
    temperature: divides the logits.
    weights: float32 scratch, V padded to whole vectors of 16; overwritten.
    """
    top, total = exponentiate(logits, values, temperature, weights)
    return (np.float64(logits[value]) - np.float64(top)) / temperature - logarithm(
        total
    )


@njit(inline="always")
def exponentiate(logits, values, temperature, weights):
    """Set `weights` to exp((logits - the largest) / temperature), float32, and
    return the largest logit and the sum of the weights, which is NaN if a logit is
    not finite."""
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
