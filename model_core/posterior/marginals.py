"""Marginals: the expectation of each pixel of a hole, its mean value and how uncertain it is, from weighted draws.

Each sweep of a chain says with which weight its particles have which value; the shares of its sweeps are averaged. Few
chains that agree do not make a pixel certain, and an average of few is too sure. So two things count beside them, less
and less as chains are more: what the networks predict of the pixel, given what comes before it in their order in images
that were drawn; and what the chains' first particles had there as they passed, which know the given pixels up to that
row and not yet those behind. Where images are drawn exactly, the prediction alone says more than the drawn values.

Of small holes a few chains say enough, so that both count little. A floor keeps extreme probabilities from being more
extreme than few draws can tell.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from model_core.components import Component
from model_core.config import NetworkConfig
from model_core.elementary import exp, log2, total
from model_core.networks.pixel_network import PixelNetwork
from model_core.orientation import turn, turn_back
from model_core.sampling.stages import stage_for

BATCH = 8
"""Images of one teacher-forced pass: others that want the processor wait for one at most."""
PREDICTED, PASSED = 1.5, 6.0
"""Weights of the predictions of a pixel, and of the values of the first particles that had
just passed it, in chains. Of many pairs this one had the smallest log-loss with an error
of calibration well below 0.005: docs/completion.md."""
SMALL_HOLE, OF_SMALL_HOLE = 64, 1 / 8
"""A hole with so few variables is small: the particles of few chains explore it well. Both
weights are multiplied by this factor there, since these estimates ignore the given pixels
behind. docs/completion.md measures it, also without them."""
FLOOR = 0.002
"""Part of each estimated distribution that is even over the values. Few draws make extreme
probabilities too extreme: of those said to be 0.00007, 0.0012 were true."""


@dataclass(frozen=True)
class Marginals:
    """mean (C, H, W) of each variable's value, of categories the likeliest one, and entropy_bits (C, H, W) of its
    distribution: 0 where it is given."""

    mean: NDArray[np.float64]
    entropy_bits: NDArray[np.float64]


class Weighted(NamedTuple):
    """Images (N, C, H, W), the right way up, and their weights (N,), which add up to 1."""

    images: NDArray[np.int64]
    weights: NDArray[np.float64]


class Shares:
    """Takes in draws and predictions, the right way up, and averages them."""

    def __init__(
        self,
        config: NetworkConfig,
        known: NDArray[np.int64],
        keep: NDArray[np.bool_],
        temperature: float,
    ) -> None:
        """known (C, H, W) where keep (H, W) is True."""
        values, self._are_categories = config.values, config.categories
        self._known, self._keep, self._temperature = known, keep, temperature
        self._drawn = np.zeros((values, *known.shape))
        self._sweeps = np.zeros(keep.shape)
        self._predicted = np.zeros((values, *known.shape))
        self._predictions = 0.0
        self._passed = np.zeros((values, *known.shape))
        self._passes = np.zeros(keep.shape)
        is_small = len(known) * np.count_nonzero(~keep) <= SMALL_HOLE
        self._of_ignorant = OF_SMALL_HOLE if is_small else 1.0

    def add(
        self, draws: Weighted, where: NDArray[np.bool_], times: float = 1.0
    ) -> None:
        """The particles of a sweep that drew the pixels `where` (H, W); they count as so many sweeps."""
        add_shares(self._drawn, draws, where, times)
        self._sweeps += times * where

    def pass_by(self, draws: Weighted, where: NDArray[np.bool_]) -> None:
        """First particles that have just drawn the pixels `where` (H, W)."""
        add_shares(self._passed, draws, where)
        self._passes += where

    def merge(self, other: "Shares") -> None:
        """Take in what a chain has, of the same hole: all its sweeps together as one, since they hang together."""
        self._drawn += other._drawn / np.maximum(other._sweeps, 1)
        self._sweeps += other._sweeps > 0
        self._predicted += other._predicted
        self._predictions += other._predictions
        self._passed += other._passed
        self._passes += other._passes

    def predicting(
        self, component: Component, images: NDArray[np.int64]
    ) -> Iterator[None]:
        """Add what a component predicts along images (N, C, H, W): in steps, each a teacher-forced pass over some of
        them."""
        turned = np.ascontiguousarray(turn(images, component.orientation))
        for start in range(0, len(turned), BATCH):
            part = turned[start : start + BATCH]
            shares = _predicted_shares(component, part, self._temperature)
            self._predicted += turn_back(shares, component.orientation)
            self._predictions += len(part)
            yield

    def parts(self) -> dict[str, NDArray[np.float64]]:
        """Return what the marginals are made of: the sums of shares (V, C, H, W)
        `drawn` by sweeps, how many `sweeps` (H, W) drew each pixel, the mean `predicted` share
        (V, C, H, W), the mean share (V, C, H, W) of first particles that `passed`, and how
        many `passes` (H, W) there were."""
        return {
            "drawn": self._drawn,
            "sweeps": self._sweeps,
            "predicted": self._predicted / self._predictions,
            "passed": self._passed / np.maximum(self._passes, 1),
            "passes": self._passes,
        }

    def result(self) -> Marginals:
        """Return the marginals of everything added so far, which is at least one prediction."""
        parts = self.parts()
        of_predicted = PREDICTED * self._of_ignorant
        of_passed = PASSED * self._of_ignorant
        shares = (
            self._drawn
            + of_predicted * parts["predicted"]
            + of_passed * parts["passed"]
        )
        shares /= self._sweeps + of_predicted + of_passed * (self._passes > 0)
        return self._marginals((1 - FLOOR) * shares + FLOOR / len(shares))

    def drawn_alone(self) -> Marginals:
        """Return the marginals of the added draws alone: exact if these are all fillings of
        the hole, with their probabilities."""
        return self._marginals(self._drawn / np.maximum(self._sweeps, 1))

    def _marginals(self, shares: NDArray[np.float64]) -> Marginals:
        """Return mean and entropy of shares (V, C, H, W) in the hole."""
        given = np.arange(len(shares))[:, None, None, None] == self._known
        shares = np.where(self._keep, given, shares)  # (V, C, H, W)
        mean = (
            shares.argmax(0).astype(np.float64)
            if self._are_categories
            else total(
                np.arange(len(shares), dtype=np.float64)[:, None, None, None] * shares
            )
        )
        bits = total(shares * log2(np.where(shares > 0, shares, 1.0)))
        return Marginals(mean, np.abs(bits))


def add_shares(
    shares: NDArray[np.float64],
    draws: Weighted,
    where: NDArray[np.bool_],
    times: float = 1.0,
) -> None:
    """Add to shares (V, C, H, W), where (H, W), how much weight each value has among draws."""
    images, weights = draws
    for value in np.unique(images[:, :, where]):
        shares[value][:, where] += times * total(
            weights[:, None, None] * (images[:, :, where] == value)
        )


def _predicted_shares(
    component: Component, images: NDArray[np.int64], temperature: float
) -> NDArray[np.float64]:
    """(V, C, H, W): what a component predicts along images (N, C, H, W) in its orientation, summed over them."""
    network = component.network
    assert isinstance(network, PixelNetwork), "a Multi-Scale model has no posterior"
    with torch.inference_mode():
        logits = (
            stage_for(network)
            .logits(network, images, component.label)
            .astype(np.float64)
        )
    weights = exp((logits - logits.max(1, keepdims=True)) / temperature)
    return total(weights / total(weights.swapaxes(0, 1))[:, None])
