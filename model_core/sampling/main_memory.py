"""A network's weights in main memory, wherever they are."""

from copy import deepcopy
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import nn

N = TypeVar("N", bound=nn.Module)
WeightVersions = tuple[tuple[int, int], ...]

_copies: WeakKeyDictionary[nn.Module, tuple[WeightVersions, nn.Module]] = (
    WeakKeyDictionary()
)


def in_main_memory(network: N) -> N:
    """Return the network, or a copy of it if its weights are on a card.

    Everything that decides a drawn value is computed from this copy: the layout of the
    block programs, the compiled loops, and what labels and small images add to layers.
    The copy is made once, and again after a parameter was written to.
    """
    parameters = [*network.parameters()]
    if all(parameter.device.type == "cpu" for parameter in parameters):
        return network
    versions = tuple((each.data_ptr(), _version(each)) for each in parameters)
    kept = _copies.get(network)
    if kept is None or kept[0] != versions:
        # Who writes to a tensor of inference mode is counted by nobody.
        with torch.inference_mode(mode=False), torch.no_grad():
            copy = deepcopy(network).to("cpu")
        kept = _copies[network] = versions, copy
    found = kept[1]
    assert isinstance(found, type(network))
    return found


def _version(parameter: nn.Parameter) -> int:
    return 0 if parameter.is_inference() else parameter._version
