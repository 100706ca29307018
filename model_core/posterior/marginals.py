"""Marginals: the mean value of each pixel of a hole, and how uncertain it is, estimated
from weighted draws.

Each sweep of a chain gives shares: the weight of each value of a variable among its
particles. The shares of all sweeps are averaged. But a few chains that agree do not
make a pixel certain, so two other estimates count as well, the less the more chains
there are: what the networks predict of the pixel along images that were drawn, given
what comes before it; and the values that the chains' first particles had just after
drawing the pixel, when the given pixels behind had no influence yet. If images are
drawn exactly, the prediction alone says more than the drawn values.

For small holes a few chains are enough, so both count little. A floor keeps
probabilities from being more extreme than few draws can show.
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
"""Images of one teacher-forced pass. Other work that needs the CPU waits for one pass
at most."""
PREDICTED, PASSED = 1.5, 6.0
"""Weights, in chains, of the predictions of a pixel, and of the first particles that
had just drawn it. Of many pairs these had the smallest log-loss with a calibration
error well below 0.005: docs/internals/posterior.md."""
SMALL_HOLE, OF_SMALL_HOLE = 64, 1 / 8
"""A hole with up to SMALL_HOLE variables is small: the particles of few chains explore
it well. There both weights are multiplied by OF_SMALL_HOLE, because these estimates
ignore the given pixels behind. docs/internals/posterior.md measures it, also without them."""
FLOOR = 0.002
"""Part of each estimated distribution that is uniform over the values. Few draws make
extreme probabilities too extreme: values with an estimated probability of 0.00007 had a
true one of 0.0012."""
START = 0.1
"""Weight of the images with which a chain begins, relative to that of a move. They are
all there is until the first move."""


@dataclass(frozen=True)
class Marginals:
    """What is expected of each variable (one colour of one pixel) of a completed
    picture.

    mean: (C, H, W), the mean of its value; of categories, whose values have no order,
        the likeliest one. For a given pixel, its value.
    entropy_bits: (C, H, W), the entropy of its distribution in bits; 0 for a given
        pixel.
    """

    mean: NDArray[np.float64]
    entropy_bits: NDArray[np.float64]


class Weighted(NamedTuple):
    """Images with weights.

    images: (N, C, H, W), upright.
    weights: (N,), which add up to 1.
    """

    images: NDArray[np.int64]
    weights: NDArray[np.float64]


class Shares:
    """Sums of draws and predictions of one hole, from which `result` makes the
    marginals. All images and maps are upright. A share is the weight, 0 to 1, that a
    value of a variable has among weighted images; V is the number of values.

    A sweep draws particles, unfinished images with weights, through a part of the hole.
    """

    def __init__(
        self,
        config: NetworkConfig,
        known: NDArray[np.int64],
        keep: NDArray[np.bool_],
        temperature: float,
    ) -> None:
        """known, keep: values (C, H, W) and bool (H, W), True for given pixels.
        temperature: divides the logits of the predictions."""
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
        """Count the values of a sweep's final particles.

        where: bool (H, W), True for the pixels that the sweep drew; only these count.
        times: the sweep counts as so many sweeps.
        """
        add_shares(self._drawn, draws, where, times)
        self._sweeps += times * where

    def add_outcomes(self, draws: Weighted, where: NDArray[np.bool_]) -> None:
        """Count fillings of the hole by their exact probabilities. `of_outcomes` needs
        all possible fillings, each added once.

        where: bool (H, W), True for the hole.
        """
        add_shares(self._drawn, draws, where)

    def pass_by(self, draws: Weighted, where: NDArray[np.bool_]) -> None:
        """Add the shares among the particles with which a chain begins, just after they
        have drawn some pixels, when the given pixels behind have had no influence yet.

        where: bool (H, W), True for the pixels that they have drawn since the last
            call.
        """
        add_shares(self._passed, draws, where)
        self._passes += where

    def merge(self, other: "Shares") -> None:
        """Add everything that was added to another Shares of the same hole, which is
        left as it is. All its sweeps together count as one."""
        # The sweeps of one chain depend on each other.
        self._drawn += other._drawn / np.maximum(other._sweeps, 1)
        self._sweeps += other._sweeps > 0
        self._predicted += other._predicted
        self._predictions += other._predictions
        self._passed += other._passed
        self._passes += other._passes

    def predicting(
        self, component: Component, images: NDArray[np.int64]
    ) -> Iterator[None]:
        """Add the probabilities of all values that a component (a member of the model
        with one of its labels) predicts along images (N, C, H, W), each given the
        pixels before it. This is done in steps, as the result is iterated: it yields
        None after each pass over at most 8 images."""
        turned = np.ascontiguousarray(turn(images, component.orientation))
        for start in range(0, len(turned), BATCH):
            part = turned[start : start + BATCH]
            shares = _predicted_shares(component, part, self._temperature)
            self._predicted += turn_back(shares, component.orientation)
            self._predictions += len(part)
            yield

    def result(self) -> Marginals:
        """Return the marginals of everything that was added, which must include a
        prediction."""
        predicted = self._predicted / self._predictions
        passed = self._passed / np.maximum(self._passes, 1)
        of_predicted = PREDICTED * self._of_ignorant
        of_passed = PASSED * self._of_ignorant
        shares = self._drawn + of_predicted * predicted + of_passed * passed
        shares /= self._sweeps + of_predicted + of_passed * (self._passes > 0)
        return self._marginals((1 - FLOOR) * shares + FLOOR / len(shares))

    def of_outcomes(self) -> Marginals:
        """Return the exact marginals, if `add_outcomes` got all outcomes and nothing
        else was added."""
        return self._marginals(self._drawn)

    def _marginals(self, shares: NDArray[np.float64]) -> Marginals:
        """Return mean and entropy of shares (V, C, H, W) of the hole."""
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
    """Add to shares (V, C, H, W), in place, how much weight each value of each variable
    has among draws.

    where: bool (H, W): only these pixels are changed.
    times: factor of all weights.
    """
    for value, share in shares_of(draws, where, times).items():
        shares[value][:, where] += share


def shares_of(
    draws: Weighted, where: NDArray[np.bool_], times: float = 1.0
) -> dict[int, NDArray[np.float64]]:
    """Return by value how much weight it has among draws: float64 (C, pixels), for the
    pixels where `where` is True, in raster order. Values that no draw has at any of
    these pixels are left out.

    where: bool (H, W), True for the pixels that count.
    times: factor of all weights.
    """
    images = draws.images[:, :, where]
    weights = draws.weights[:, None, None]
    return {
        int(value): times * total(weights * (images == value))
        for value in np.unique(images)
    }


def _predicted_shares(
    component: Component, images: NDArray[np.int64], temperature: float
) -> NDArray[np.float64]:
    """Return what a component predicts along images (N, C, H, W), which are in its
    orientation, summed over them: (V, C, H, W)."""
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


class Part(NamedTuple):
    """What the draws of one move (one sweep of a chain) add to the averages of a SoFar;
    `SoFar.part_of` makes it. Pixels are those where `where` is True, in raster
    order."""

    where: NDArray[np.bool_]
    """Bool (H, W): the pixels that were drawn."""
    times: float
    """Number of moves as which they count."""
    summed: NDArray[np.float64]
    """(C, pixels): the sum of their values, each times its weight, times `times`."""
    shares: dict[int, NDArray[np.float64]]
    """If values are categories, without order: (C, pixels) for each value that occurs,
    its weight times `times`. Otherwise empty."""
    most: float
    """The largest value in the images."""


class SoFar:
    """The expected value of each pixel while images are still being drawn, for a caller
    who shows the progress: a running average of weighted draws, upright.

    `Marginals` come at the end and are better: they also use shares of values and
    predictions. This takes one sum for each move (sweep of a chain), and does not
    influence what is drawn.
    """

    def __init__(
        self, known: NDArray[np.int64], keep: NDArray[np.bool_], categories: int = 0
    ) -> None:
        """Begin without draws.

        known, keep: values (C, H, W), and bool (H, W), True for given pixels.
        categories: number of values if they have no order; 0 if they have one.
        """
        self._known, self._keep = known, keep
        self._sum = np.zeros(known.shape)
        self._shares = np.zeros((categories, *known.shape))
        self._times = np.zeros(keep.shape)
        self._is_new, self._most = False, 0.0

    def add(
        self, draws: Weighted, where: NDArray[np.bool_], times: float = 1.0
    ) -> None:
        """Add the particles of a move (a sweep of a chain) that drew the pixels
        `where`, bool (H, W). The first one must be of the whole hole, because the
        average of a pixel without draws is not defined.

        times: number of moves as which they count.
        """
        self.take(self.part_of(draws, where, times))

    def part_of(
        self, draws: Weighted, where: NDArray[np.bool_], times: float = 1.0
    ) -> "Part":
        """Return what `add` would add for these draws, for a later `take`. It is far
        smaller than the draws."""
        shares: dict[int, NDArray[np.float64]] = {}
        if len(self._shares):
            shares = shares_of(draws, where, times)
        summed = times * total(draws.weights[:, None, None] * draws.images[:, :, where])
        return Part(where, times, summed, shares, float(draws.images.max()))

    def take(self, part: "Part") -> None:
        """Add what `part_of` returned, of this SoFar or another one of the same
        hole."""
        for value, share in part.shares.items():
            self._shares[value][:, part.where] += share
        self._sum[:, part.where] += part.summed
        self._times += part.times * part.where
        self._most = max(self._most, part.most)
        self._is_new = True

    def news(self) -> NDArray[np.float64] | None:
        """Return the expected value, float64 (C, H, W), of each variable at this point,
        of categories the likeliest one, and of given pixels their value; None if
        nothing was added since the last call."""
        if not self._is_new:
            return None
        self._is_new = False
        expected = np.minimum(
            self._sum / np.where(self._keep, 1.0, self._times), self._most
        )  # weights are rounded
        return np.where(
            self._keep,
            self._known,
            self._shares.argmax(0) if len(self._shares) else expected,
        ).astype(float)
