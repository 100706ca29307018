"""Operands of the compiled products: maps as NumPy arrays, and weights in panels
(compiled/map_products.py)."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model_core.compiled.map_products import PANEL


def bits(x: Tensor) -> Any:
    """Return a tensor's memory as an array: float32 as it is, bfloat16 as uint16."""
    x = x.detach()
    return (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy()


def panels(matrix: Tensor, dtype: torch.dtype, columns: int = PANEL) -> Any:
    """Return weights (..., K, N), from K inputs to N outputs, in panels (..., N /
    columns, words of K, columns * inputs per word), padded with zeros.

    It uses NumPy, because the calls of torch take longer than the work itself in a
    network of many small layers.
    """
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
    """Return the spans (compiled/map_products.py) of panels whose columns read all
    inputs."""
    return np.tile(np.array([0, inputs], np.int64), (panel_count, 1))
