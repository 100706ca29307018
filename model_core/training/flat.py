"""All parameters of a network in one buffer, so that an update, an average or an
all-reduce is a few vector operations.

A network of the paper's MNIST size has a hundred small tensors. Visiting each in every
update takes milliseconds of Python, while a whole step takes fifty.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class FlatParameters:
    """Makes each parameter of a network, and its gradient, a view of one flat buffer of
    P numbers. Only parameters that require gradients take part.

    size: P.
    weights: the parameters, (P,).
    gradients: (P,), a view of `message`.
    extra: further numbers, a view of `message`.
    message: the gradients, then `extra`; this is summed over processes in one call.
    """

    def __init__(self, network: nn.Module, extra: int = 0) -> None:
        """Move the parameters of the network, which all have the same dtype and device,
        into the buffer, and give each a gradient of zero there.

        extra: the number of further numbers.
        """
        self._parameters = {
            name: p for name, p in network.named_parameters() if p.requires_grad
        }
        first = next(iter(self._parameters.values()))
        assert all(
            p.dtype == first.dtype and p.device == first.device
            for p in self._parameters.values()
        )
        self.size = sum(p.numel() for p in self._parameters.values())
        self.weights = torch.empty(self.size, dtype=first.dtype, device=first.device)
        self.message = torch.zeros(
            self.size + extra, dtype=first.dtype, device=first.device
        )
        self.gradients = self.message[: self.size]
        self.extra = self.message[self.size :]
        for (name, view), parameter in zip(
            self.views(self.weights), self._parameters.values(), strict=True
        ):
            view.copy_(parameter.data)
            parameter.data = view
            assert parameter.shape == view.shape, name
        for (_, view), parameter in zip(
            self.views(self.gradients), self._parameters.values(), strict=True
        ):
            parameter.grad = view

    def views(self, flat: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield each parameter's name and its part of `flat`, a buffer of P numbers, as
        a view in the parameter's shape."""
        offset = 0
        for name, parameter in self._parameters.items():
            yield name, flat[offset : offset + parameter.numel()].view(parameter.shape)
            offset += parameter.numel()

    def fill(self, flat: Tensor, tensors: Mapping[str, Tensor]) -> None:
        """Copy tensors, by parameter name, into a buffer of P numbers."""
        for name, view in self.views(flat):
            view.copy_(tensors[name])

    def mark_changed(self) -> None:
        """Tell autograd, and caches of values that are computed from the weights, that
        the weights have changed. Call it after each write to `weights`."""
        torch.autograd.graph.increment_version(self._parameters.values())

    @contextmanager
    def other_weights(self, flat: Tensor) -> Iterator[None]:
        """Context manager that gives the network other weights, (P,), and restores its
        own at the end."""
        own = self.weights.clone()
        self.weights.copy_(flat)
        self.mark_changed()
        try:
            yield
        finally:
            self.weights.copy_(own)
            self.mark_changed()
