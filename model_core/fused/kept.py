"""Operands of the compiled code that are made of a network's weights, kept from one pass
to the next.

To lay out the weights of a small network takes longer than one image's pass through
them, and holds Python's lock, so that the passes of other threads wait.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from torch import Tensor, nn

Operands = TypeVar("Operands")

_Versions = list[tuple[int, int]]
"""For each weight its address in memory and the number of times it was written to."""

_kept: WeakKeyDictionary[nn.Module, dict[Hashable, tuple[_Versions, Any]]] = (
    WeakKeyDictionary()
)


def kept_operands(
    module: nn.Module,
    key: Hashable,
    weights: Sequence[Tensor],
    make: Callable[[], Operands],
) -> Operands:
    """Return the result of make(), or what it returned in an earlier call if no weight
    was written to since. The caller must not change it.

    module: the result is kept as long as this exists; it must not refer to it.
    key: tells different results for one module apart, for example by their dtype.
    weights: all tensors that `make` reads. If one is trained, or was made in inference
        mode, nothing is kept.
    """
    versions: list[tuple[int, int]] = []
    for weight in weights:
        # A trained weight is written to after each pass; in inference mode torch
        # counts no writes.
        if weight.requires_grad or weight.is_inference():
            return make()
        versions.append((weight.data_ptr(), weight._version))
    of_module = _kept.get(module)
    if of_module is None:
        of_module = _kept[module] = {}
    found = of_module.get(key)
    if found is None or found[0] != versions:
        found = of_module[key] = versions, make()
    return found[1]
