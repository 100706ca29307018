"""Sums and activations, operation by operation as the compiled loops compute them.

The corresponding code is in model_core/compiled: `add_product` and `exp` of
vector_code.py, `lstm_cells` of tiles.py and logarithm.py. All constants are float32 or
float64, so that no operation is done in another precision, and each operation rounds
once.
"""
# pyright: reportCallIssue=false, reportArgumentType=false

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from model_core.blocks.memory import FLOAT, INT32, Builder, load
from model_core.compiled.logarithm import ATANH, LN2_HIGH, LN2_LOW, TOP

PHASE: dict[str, Any] = {
    "nogil": True,
    "_nrt": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "error_model": "numpy",
}
"""Options of every function here. A division by zero raises no Python exception, and
nothing is allocated: a GPU can do neither."""

ZERO, ONE, TWO = np.float32(0), np.float32(1), np.float32(2)

LARGEST_POWER = np.float32(87)
"""Bound of the exponent: float32 can represent e**-87 and e**87."""
LOG2_E = np.float32(1.4426950408889634)
LN_2_HIGH, LN_2_LOW = np.float32(-0.693359375), np.float32(2.1219444005469057e-4)
"""-ln 2 in two parts: the product of the first part and an integer up to 127 is
exact."""
TAYLOR = tuple(np.float32(c) for c in (1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5))


def _operation(name: str, operands: int) -> Any:
    """Return a function that does LLVM's operation of this name on float32 numbers."""

    def emit(_context: Any, b: Builder, _signature: Any, arguments: Any) -> Any:
        signature = ir.FunctionType(FLOAT, [FLOAT] * operands)
        function = cgutils.get_or_insert_function(b.module, signature, name)
        return b.call(function, arguments)

    if operands == 1:

        @intrinsic
        def unary(_typing, x):
            return types.float32(types.float32), emit

        return unary

    @intrinsic
    def ternary(_typing, x, y, z):
        return types.float32(types.float32, types.float32, types.float32), emit

    return ternary


multiply_add = _operation("llvm.fma.f32", 3)
"""x * y + z, rounded once."""
nearest = _operation("llvm.rint.f32", 1)
"""The nearest integer, as float32; of two, the even one."""


@intrinsic
def power_of_two(_typing, exponent):
    """Return 2**exponent of an integer in -126..127, given as float32; it is made of
    its bits."""

    def emit(_context: Any, b: Builder, _signature: Any, arguments: Any) -> Any:
        biased = b.add(b.fptosi(arguments[0], INT32), INT32(127))
        return b.bitcast(b.shl(biased, INT32(23)), FLOAT)

    return types.float32(types.float32), emit


@njit(**PHASE)
def chain(start, x, weights, count, stride):
    """Return start + x[0] w[0] + x[1] w[stride] + ..., `count` products added in this
    order, each by one fused multiply-add, in float32.

    x, weights: addresses of float32.
    """
    total = start
    k = 0
    while k < count:
        total = multiply_add(load(x, k), load(weights, k * stride), total)
        k += 1
    return total


@njit(**PHASE)
def rectified_chain(start, x, weights, count, stride):
    """Return the same sum as `chain` with max(x, 0) in place of x."""
    total = start
    k = 0
    while k < count:
        total = multiply_add(rectify(load(x, k)), load(weights, k * stride), total)
        k += 1
    return total


@njit(**PHASE)
def rectify(x):
    """Return max(x, 0); NaN stays NaN."""
    if x < ZERO:
        return ZERO
    return x


@njit(**PHASE)
def exponential(x):
    """Return e**x within 2e-7, float32, with x limited to -87..87."""
    if x < -LARGEST_POWER:
        x = -LARGEST_POWER
    if x > LARGEST_POWER:
        x = LARGEST_POWER
    # x = n ln 2 + r with |r| <= ln 2 / 2; then e**x = 2**n e**r.
    n = nearest(x * LOG2_E)
    r = multiply_add(n, LN_2_LOW, multiply_add(n, LN_2_HIGH, x))
    series = TAYLOR[0]
    series = multiply_add(series, r, TAYLOR[1])
    series = multiply_add(series, r, TAYLOR[2])
    series = multiply_add(series, r, TAYLOR[3])
    series = multiply_add(series, r, TAYLOR[4])
    series = multiply_add(series, r, TAYLOR[5])
    series = multiply_add(series, r, ONE)
    series = multiply_add(series, r, ONE)
    return series * power_of_two(n)


@njit(**PHASE)
def sigmoid(x):
    """Return 1 / (1 + e**-x), float32."""
    return ONE / (ONE + exponential(-x))


@njit(**PHASE)
def tanh(x):
    """Return 1 - 2 / (e**2x + 1), float32."""
    return ONE - TWO / (exponential(x * TWO) + ONE)


@njit(**PHASE)
def logarithm(x):
    """Return ln x, float64, of x of about 1 or more (compiled/logarithm.py)."""
    power = 0.0
    while x >= TOP:
        x = x * 0.5
        power += 1.0
    s = (x - 1.0) / (x + 1.0)
    square = s * s
    total = ATANH[0]
    total = total * square + ATANH[1]
    total = total * square + ATANH[2]
    total = total * square + ATANH[3]
    total = total * square + ATANH[4]
    total = total * square + ATANH[5]
    total = total * square + ATANH[6]
    total = total * square + ATANH[7]
    total = total * square + ATANH[8]
    total = total * square + ATANH[9]
    total = total * square + ATANH[10]
    total = total * square + ATANH[11]
    return power * LN2_HIGH + (power * LN2_LOW + 2.0 * s * total)
