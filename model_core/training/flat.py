"""All parameters of a network in one buffer, so that an update, an average or an all-reduce is a few vector operations.

A network of the paper's MNIST size has a hundred small tensors: visiting each in every update costs milliseconds of
Python beside a step of fifty.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class FlatParameters:
    """Makes every parameter, and every gradient, of a network a view into one flat buffer of P numbers.

    `extra` more floats sit behind the gradients, for what must be summed over processes together with them.
    """

    def __init__(self, network: nn.Module, extra: int = 0) -> None:
        self._named = {
            name: p for name, p in network.named_parameters() if p.requires_grad
        }
        first = next(iter(self._named.values()))
        assert all(
            p.dtype == first.dtype and p.device == first.device
            for p in self._named.values()
        )
        self.size = sum(p.numel() for p in self._named.values())
        self.weights = torch.empty(self.size, dtype=first.dtype, device=first.device)
        self.message = torch.zeros(
            self.size + extra, dtype=first.dtype, device=first.device
        )
        self.gradients = self.message[: self.size]
        self.extra = self.message[self.size :]
        for (name, view), parameter in zip(
            self.views(self.weights), self._named.values(), strict=True
        ):
            view.copy_(parameter.data)
            parameter.data = view
            assert parameter.shape == view.shape, name
        for (_, view), parameter in zip(
            self.views(self.gradients), self._named.values(), strict=True
        ):
            parameter.grad = view

    def views(self, flat: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Each parameter's name and its part of a buffer of P numbers, in the parameter's shape."""
        offset = 0
        for name, parameter in self._named.items():
            yield name, flat[offset : offset + parameter.numel()].view(parameter.shape)
            offset += parameter.numel()

    def fill(self, flat: Tensor, tensors: Mapping[str, Tensor]) -> None:
        """Copy named tensors into a buffer of P numbers; KeyError or RuntimeError when they do not fit."""
        for name, view in self.views(flat):
            view.copy_(tensors[name])

    def touched(self) -> None:
        """Tell autograd, and whoever caches what follows from the weights, that they have changed."""
        torch.autograd.graph.increment_version(self._named.values())

    @contextmanager
    def holding(self, flat: Tensor) -> Iterator[None]:
        """Put other weights (P) into the network for a while."""
        own = self.weights.clone()
        self.weights.copy_(flat)
        self.touched()
        try:
            yield
        finally:
            self.weights.copy_(own)
            self.touched()
