"""How exactly float32 is computed with: products on a GPU are whole, and have ten bits of their fraction (TF32) only
where asked for; a training on a CPU does without the smallest numbers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


def keep_float32_whole() -> None:
    """Turn TF32 off. Torch's default is to use it for cuDNN's convolutions, and a score would show it."""
    _allow_tf32(False)


@contextmanager
def tf32(*, allowed: bool) -> Iterator[None]:
    """Products within may use TF32, if allowed."""
    if not allowed:
        yield
        return
    _allow_tf32(True)
    try:
        yield
    finally:
        _allow_tf32(False)


@contextmanager
def smallest_as_zero() -> Iterator[None]:
    """This thread takes numbers below 1.2e-38 for zero within. The momentum of a weight that has no gradient any more
    becomes so small, and processors are slow with such numbers (docs/internals/performance.md has figures)."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _allow_tf32(allowed: bool) -> None:
    """Set it for products and cuDNN's layers, by torch's new names if it has them: a
    build with CUDA warns of the old ones, and must not see both."""
    backends: Any = torch.backends  # pyright sees no modules' own attributes
    if not hasattr(backends.cuda.matmul, "fp32_precision"):  # before torch 2.9
        backends.cudnn.allow_tf32 = allowed
        backends.cuda.matmul.allow_tf32 = allowed
        return
    precision = "tf32" if allowed else "ieee"
    backends.cuda.matmul.fp32_precision = precision
    backends.cudnn.conv.fp32_precision = precision
    backends.cudnn.rnn.fp32_precision = precision
