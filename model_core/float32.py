"""Precision of float32 arithmetic. A GPU rounds the factors of products to TF32 (ten
bits of fraction) only within `tf32`; a training on a CPU treats denormal numbers as
zero."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


def keep_float32_whole() -> None:
    """Disable TF32 in this process, for all code that uses torch."""
    # Torch's default enables it for cuDNN's convolutions, which changes scores
    # visibly.
    _allow_tf32(False)


@contextmanager
def tf32(*, allowed: bool) -> Iterator[None]:
    """Context manager that allows TF32 products on GPUs, if `allowed`."""
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
    """Context manager that makes this thread treat numbers below 1.2e-38 as zero."""
    # The momentum of a weight that no longer has a gradient becomes that small, and
    # CPUs are slow with such numbers (docs/internals/performance.md has figures).
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _allow_tf32(allowed: bool) -> None:
    # Torch 2.9 has new names for these settings. A build with CUDA warns about the
    # old ones and rejects a mixture of both.
    backends: Any = torch.backends  # pyright sees no modules' own attributes
    if not hasattr(backends.cuda.matmul, "fp32_precision"):  # before torch 2.9
        backends.cudnn.allow_tf32 = allowed
        backends.cuda.matmul.allow_tf32 = allowed
        return
    precision = "tf32" if allowed else "ieee"
    backends.cuda.matmul.fp32_precision = precision
    backends.cudnn.conv.fp32_precision = precision
    backends.cudnn.rnn.fp32_precision = precision
