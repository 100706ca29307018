"""What the compiled products take: maps as NumPy sees them, and weights in panels (compiled/map_products.py)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from model_core.compiled.map_products import PANEL


def bits(x: Tensor) -> Any:
    """The numbers as an array: float32 ones as they are, bf16 ones as uint16."""
    x = x.detach()
    return (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy()


def panels(matrix: Tensor, dtype: torch.dtype) -> Any:
    """Weights (..., K, N), from inputs to outputs -> (..., N / 32, words of K, 32), zeros where N or K must grow."""
    pair = 2 if dtype == torch.bfloat16 else 1
    *outer, K, N = matrix.shape
    if K % pair or N % PANEL:
        matrix = functional.pad(matrix, (0, -N % PANEL, 0, -K % pair))
    split = matrix.to(dtype).unflatten(-1, (-1, PANEL)).unflatten(-3, (-1, pair))  # (..., K / pair, pair, P, 32)
    n = len(outer)
    packed = split.permute(*range(n), n + 2, n, n + 3, n + 1).contiguous()
    return bits(packed).reshape(*packed.shape[:-2], PANEL * pair)


def whole(panel_count: int, inputs: int) -> Any:
    """Spans (compiled/map_products.py) of panels whose columns read all inputs."""
    return np.tile(np.array([0, inputs], np.int64), (panel_count, 1))
