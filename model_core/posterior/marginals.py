"""Marginals: the expectation of each pixel of a hole, its mean value and how uncertain it is, from weighted draws.

A pixel behind which nothing is given has p(value | everything given) = E[p(value | the pixels before it)], over draws
of what comes before: the distributions that the network predicts along the draws are averaged, which says more than the
drawn values. A pixel before given ones is different: what the network predicts of it does not know of them. There the
weights of the draws do, and the drawn values themselves are averaged, by the weights. Few draws that agree do not make
a pixel certain, so what the network predicts counts there as one more island.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model_core.networks.pixel_network import PixelNetwork

BATCH = 8
"""Images of one teacher-forced pass: others that want the processor wait for one at most."""


@dataclass(frozen=True)
class Marginals:
    """mean (C, H, W) of each variable's value, and entropy_bits (C, H, W) of its distribution: 0 where it is given."""

    mean: NDArray[np.float64]
    entropy_bits: NDArray[np.float64]


class MarginalSum:
    """Takes in weighted draws, island by island, and averages over islands."""

    def __init__(self, network: PixelNetwork, keep: NDArray[np.bool_], temperature: float) -> None:
        """keep (H, W), True = given, in the network's orientation."""
        self._network = network
        self._keep = keep
        self._temperature = temperature
        self._drawn: NDArray[np.float64] | None = None  # (V, C, H, W) sums over islands, so for the next
        self._predicted = np.zeros(())
        self._islands = 0

    def add(self, images: NDArray[np.int64], weights: NDArray[np.float64]) -> None:
        """Draws (M, C, H, W) of one island, whose weights (M,) add up to 1."""
        for _ in self.adding(images, weights):
            pass

    def adding(self, images: NDArray[np.int64], weights: NDArray[np.float64]) -> Iterator[None]:
        """The same in steps, each a teacher-forced pass over some of the draws."""
        distinct, index = np.unique(images, axis=0, return_inverse=True)
        summed = np.asarray(np.bincount(index.ravel(), weights, len(distinct)), np.float64)
        drawn = _drawn_shares(distinct, summed, self._network.config.values)
        predicted = np.zeros(())
        for start in range(0, len(distinct), BATCH):
            part = slice(start, start + BATCH)
            predicted = predicted + _predicted_shares(self._network, distinct[part], summed[part], self._temperature)
            yield
        self._drawn = drawn if self._drawn is None else self._drawn + drawn
        self._predicted = self._predicted + predicted
        self._islands += 1
        self._known = images[0]

    def result(self) -> Marginals:
        """The marginals of everything taken in so far, which is at least one island."""
        assert self._drawn is not None
        predicted = self._predicted / self._islands
        weighed = (self._drawn + predicted) / (self._islands + 1)
        shares = np.where(_last_given(self._keep), predicted, weighed)
        given = np.arange(len(shares))[:, None, None, None] == self._known
        shares = np.where(self._keep, given, shares)  # (V, C, H, W)
        mean = np.tensordot(np.arange(len(shares), dtype=np.float64), shares, 1)
        logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
        return Marginals(mean, np.abs(-(shares * logs).sum(0)))


def _last_given(keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(H, W): is nothing given behind this pixel?"""
    behind = np.cumsum(keep.ravel()[::-1])[::-1] - keep.ravel()
    return (behind == 0).reshape(keep.shape)


def _drawn_shares(images: NDArray[np.int64], weights: NDArray[np.float64], values: int) -> NDArray[np.float64]:
    """(V, C, H, W): the weight of the draws that have each value."""
    shares = np.zeros((values, *images.shape[1:]))
    for value in range(values):
        shares[value] = np.tensordot(weights, images == value, 1)
    return shares


def _predicted_shares(
    network: PixelNetwork, images: NDArray[np.int64], weights: NDArray[np.float64], temperature: float
) -> NDArray[np.float64]:
    """(V, C, H, W): what the network predicts along the draws, averaged by their weights."""
    given = torch.from_numpy(images).to(network.input.bias.device)
    with torch.inference_mode():
        shares = network.distribution.probabilities(network(given).cpu(), temperature, dim=1)  # (M, V, C, H, W)
        return torch.tensordot(torch.from_numpy(weights), shares, 1).numpy()
