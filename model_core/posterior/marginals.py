"""Marginals: the expectation of each pixel of a hole, its mean value and how uncertain it is, from weighted draws.

Each sweep of a chain says with which weight its particles have which value; these shares are averaged over all sweeps
that drew a pixel. Few draws that agree do not make a pixel certain. So what the networks predict of the pixel, given
what comes before it in their order in images that were drawn, counts as one sweep more. Where images are drawn exactly,
that prediction alone says more than the drawn values.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from model_core.components import Component
from model_core.orientation import turn, turn_back

BATCH = 8
"""Images of one teacher-forced pass: others that want the processor wait for one at most."""
PREDICTED = 1.0
"""Weight of what is predicted of a pixel, beside that of one sweep that drew it."""


@dataclass(frozen=True)
class Marginals:
    """mean (C, H, W) of each variable's value, and entropy_bits (C, H, W) of its distribution: 0 where it is given."""

    mean: NDArray[np.float64]
    entropy_bits: NDArray[np.float64]


class Weighted(NamedTuple):
    """Images (N, C, H, W), the right way up, and their weights (N,), which add up to 1."""

    images: NDArray[np.int64]
    weights: NDArray[np.float64]


class Shares:
    """Takes in draws and predictions, the right way up, and averages them."""

    def __init__(self, values: int, known: NDArray[np.int64], keep: NDArray[np.bool_], temperature: float) -> None:
        """values: V; known (C, H, W) where keep (H, W) is True."""
        self._known, self._keep, self._temperature = known, keep, temperature
        self._drawn = np.zeros((values, *known.shape))
        self._sweeps = np.zeros(keep.shape)
        self._predicted = np.zeros((values, *known.shape))
        self._predictions = 0.0

    def add(self, draws: Weighted, where: NDArray[np.bool_], times: float = 1.0) -> None:
        """The particles of a sweep that drew the pixels `where` (H, W); they count as so many sweeps."""
        images, weights = draws
        for value in np.unique(images[:, :, where]):
            self._drawn[value][:, where] += times * np.tensordot(weights, images[:, :, where] == value, 1)
        self._sweeps += times * where

    def merge(self, other: "Shares") -> None:
        """Take in what another has, of the same hole."""
        self._drawn += other._drawn
        self._sweeps += other._sweeps
        self._predicted += other._predicted
        self._predictions += other._predictions

    def predicting(self, component: Component, images: NDArray[np.int64]) -> Iterator[None]:
        """Add what a component predicts along images (N, C, H, W): in steps, each a teacher-forced pass over some of
        them."""
        turned = np.ascontiguousarray(turn(images, component.orientation))
        for start in range(0, len(turned), BATCH):
            part = turned[start : start + BATCH]
            shares = _predicted_shares(component, part, self._temperature)
            self._predicted += turn_back(shares, component.orientation)
            self._predictions += len(part)
            yield

    def result(self) -> Marginals:
        """The marginals of everything taken in so far, which is at least one prediction."""
        predicted = self._predicted / self._predictions
        shares = (self._drawn + PREDICTED * predicted) / (self._sweeps + PREDICTED)
        given = np.arange(len(shares))[:, None, None, None] == self._known
        shares = np.where(self._keep, given, shares)  # (V, C, H, W)
        mean = np.tensordot(np.arange(len(shares), dtype=np.float64), shares, 1)
        logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
        return Marginals(mean, np.abs(-(shares * logs).sum(0)))


def _predicted_shares(component: Component, images: NDArray[np.int64], temperature: float) -> NDArray[np.float64]:
    """(V, C, H, W): what a component predicts along images (N, C, H, W) in its orientation, summed over them."""
    given = torch.from_numpy(images).to(next(component.network.parameters()).device)
    with torch.inference_mode():
        logits = component.logits(given).cpu()
        return component.network.distribution.probabilities(logits, temperature, dim=1).sum(0).numpy()
