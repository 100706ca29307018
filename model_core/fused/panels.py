"""Operands of the compiled products: maps as NumPy arrays, and weights in panels
(compiled/map_products.py).

A word is 4 bytes: one float32 or two bfloat16 numbers.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model_core.compiled.map_products import PANEL


def bits(x: Tensor) -> Any:
    """Return a tensor's memory as an array without a copy: float32 and integers as they
    are, bfloat16 as uint16. The gradient is dropped; the tensor is on the CPU."""
    if x.requires_grad:
        x = x.detach()
    return (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy()


def panels(matrix: Tensor, dtype: torch.dtype, columns: int = PANEL) -> Any:
    """Return weights (..., K, N), from K inputs to N outputs, in panels of `columns`
    outputs: an array (..., ceil(N / columns), words, columns * inputs per word), padded
    with zeros.

    dtype: float32 or bfloat16. A word is 4 bytes: it holds one input in float32 and two
        adjacent ones in bfloat16, so words is K or ceil(K / 2). In a panel, the numbers
        of one word of all its outputs are adjacent.
    """
    # NumPy, because the calls of torch take longer than the work itself in a network
    # of many small layers.
    pair = 2 if dtype == torch.bfloat16 else 1
    weights = bits(matrix.to(dtype))
    *outer, K, N = weights.shape
    rows, count, n = -(-K // pair), -(-N // columns), len(outer)
    if K % pair or N % columns:
        grown = np.zeros((*outer, rows * pair, count * columns), weights.dtype)
        grown[..., :K, :N] = weights
        weights = grown
    split = weights.reshape(*outer, rows, pair, count, columns)
    packed = np.ascontiguousarray(split.transpose(*range(n), n + 2, n, n + 3, n + 1))
    return packed.reshape(*outer, count, rows, columns * pair)


@lru_cache(maxsize=256)
def whole(panel_count: int, inputs: int) -> Any:
    """Return the spans of panels whose outputs read all inputs: int64 (panel_count, 2),
    each (0, inputs). The array is cached, so the caller must not change it.

    inputs: number of words of inputs: K in float32, ceil(K / 2) in bfloat16.
    """
    return np.tile(np.array([0, inputs], np.int64), (panel_count, 1))
