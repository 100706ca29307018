"""A network with its weights in main memory, even if the original is on a GPU."""

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
    """Return the network itself if all its weights are in main memory, else a copy of
    it there, which must not be changed.

    The copy is kept as long as the network, and made again after a parameter was
    replaced or written to. Writes through `.data` or in inference mode are not noticed,
    because torch does not count them.
    """
    parameters = [*network.parameters()]
    if all(parameter.device.type == "cpu" for parameter in parameters):
        return network
    versions = tuple((each.data_ptr(), _version(each)) for each in parameters)
    kept = _copies.get(network)
    if kept is None or kept[0] != versions:
        # A copy made in inference mode could not be trained or counted
        # (PixelNetwork.weight_versions).
        with torch.inference_mode(mode=False), torch.no_grad():
            copy = deepcopy(network).to("cpu")
        kept = _copies[network] = versions, copy
    found = kept[1]
    assert isinstance(found, type(network))
    return found


def _version(parameter: nn.Parameter) -> int:
    """Return how often a parameter was written to; 0 if torch does not count it."""
    return 0 if parameter.is_inference() else parameter._version
