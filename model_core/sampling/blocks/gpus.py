"""The GPUs that draw in this process, and what their checks found.

A GPU draws from a network only after it has computed the same bits as the CPU for that
network. Otherwise the compiled loops draw in its place.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import torch

from model_core.networks.pixel_network import PixelNetwork
from model_core.sampling.blocks.drivers import Driver

Check = Callable[[PixelNetwork, Driver], str | None]
"""check(network, driver): return a sentence that says what differs from the CPU; None
if nothing does."""


@dataclass
class Gpu:
    """A GPU that this process has opened. A block program is the form in which it
    draws; one block of its threads draws one image."""

    driver: Driver
    """What runs block programs on it."""
    check: Check
    """check(network, driver): compares it with the CPU, and returns a sentence that
    says what differs, or None; called once for each network."""
    verdicts: WeakKeyDictionary[PixelNetwork, str | None] = field(
        default_factory=WeakKeyDictionary
    )
    """The answers of `check`, by network; kept as long as the network."""

    def difference(self, network: PixelNetwork) -> str | None:
        """Return a sentence that says what differs from the CPU if this GPU draws from
        a network; None if nothing does. The first call for a network runs the check,
        which takes seconds."""
        # Not repeated when weights change, because the sums keep their sizes and
        # order: a training that draws now and then need not wait.
        if network not in self.verdicts:
            self.verdicts[network] = self.check(network, self.driver)
        return self.verdicts[network]


_gpus: dict[torch.device, Gpu] = {}
"""By device: the GPU that draws."""
_unusable: dict[torch.device, str] = {}
"""By device: why its GPU cannot draw."""


def use(device: torch.device, gpu: Gpu) -> None:
    """Register a GPU in this process: from now on it draws from networks whose weights
    are on `device` and that pass its check. A GPU that was registered for the device
    before is replaced."""
    _gpus[device] = gpu


def refuse(device: torch.device, reason: str) -> None:
    """Record in this process that the GPU of a device cannot be used, so that the CPU
    draws from networks whose weights are on it.

    reason: a sentence, which `reason_for_processors` returns.
    """
    _unusable[device] = reason


def forget(device: torch.device) -> None:
    """Remove what `use` and `refuse` recorded for a device, so that its GPU is opened
    again when it is next needed. Do nothing if they recorded nothing."""
    _gpus.pop(device, None)
    _unusable.pop(device, None)


def gpu_at(device: torch.device) -> Gpu | None:
    """Return the GPU that was registered for a device by `use`; None if there is
    none."""
    return _gpus.get(device)


def is_known(device: torch.device) -> bool:
    """Return True if a device's GPU has been registered, or recorded as unusable, by
    `use` or `refuse`."""
    return device in _gpus or device in _unusable


def reason_for_processors(network: PixelNetwork) -> str | None:
    """Return a sentence that says why the CPU draws from a network whose weights are on
    a GPU; None if the GPU draws, or if no GPU was registered or refused for the device.
    The first call for a network may run the check of the GPU, which takes seconds."""
    device = network.input.bias.device
    if device in _unusable:
        return _unusable[device]
    gpu = gpu_at(device)
    return None if gpu is None else gpu.difference(network)
