"""How many bytes an object of ours holds, seen by looking through it: what the stages' own word is held to."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

OURS = "model_core."


def array_bytes(part: object) -> int:
    """Bytes of all arrays and tensors that an object of ours holds, its networks left out."""
    seen: dict[int, int] = {}
    for address, size in _arrays(part, set()):
        seen[address] = max(size, seen.get(address, 0))
    return sum(seen.values())


def _arrays(part: object, visited: set[int]) -> Iterator[tuple[int, int]]:
    """(address, bytes) of each memory block; several views of one block have its address."""
    if id(part) in visited or isinstance(part, nn.Module):
        return
    visited.add(id(part))
    if isinstance(part, Tensor):
        storage = part.untyped_storage()
        yield storage.data_ptr(), storage.nbytes()
    elif isinstance(part, np.ndarray):
        yield from _array_block(part, visited)
    else:
        for inner in _parts(part):
            yield from _arrays(inner, visited)


def _array_block(array: np.ndarray, visited: set[int]) -> Iterator[tuple[int, int]]:
    if isinstance(array.base, np.ndarray | torch.Tensor):
        yield from _arrays(array.base, visited)
    else:
        yield array.ctypes.data, array.nbytes


def _parts(part: object) -> list[object]:
    if isinstance(part, Mapping):
        return list(part.values())
    if isinstance(part, tuple | list):
        return list(part)
    return list(vars(part).values()) if type(part).__module__.startswith(OURS) else []
