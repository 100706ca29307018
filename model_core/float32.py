"""Products of float32 numbers on a GPU: whole, and with ten bits of their fraction (TF32) only where asked for."""

from collections.abc import Iterator
from contextlib import contextmanager

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


def _allow_tf32(allowed: bool) -> None:
    torch.backends.cudnn.allow_tf32 = allowed
    torch.backends.cuda.matmul.allow_tf32 = allowed
