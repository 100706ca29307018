"""Exact completions by a mixture, if no given pixel lies behind the hole in the order
of any member: for example of the lower rows by a network and its mirror image.

Then p(hole | given) is the mixture of what the components draw there,

    p(hole | given) = sum over components k of p(k | given) p_k(hole | given),

and p(k | given) is known: the given pixels come first in every order, so that one pass
of each member has the probability of all of them. An image is one draw by one
component.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from model_core.elementary import log_count, log_sum
from model_core.orientation import turn
from model_core.posterior.chain import chosen
from model_core.posterior.islands import CHAINS, StageOf, way_of
from model_core.posterior.marginals import Marginals, SoFar, Weighted
from model_core.posterior.mixture import Given, Images, Mixture
from model_core.posterior.particles import Stages
from model_core.posterior.plan import given_behind
from model_core.posterior.receipt import Receipt
from model_core.posterior.targets import Target
from model_core.sampling.noise import choice_noise

CHOICE = 0
"""Number, among the sweeps of an image, of the noise that chooses its component."""
DRAW = 0
"""Number of the sweep that draws an image."""
POOL = 1
"""Number, among the sweeps of image 0, of the first one that draws an image for the
marginals."""
POOLED = 8
"""Images behind the marginals, as many as one network draws at least."""


class ExactRun:
    """Draws the images of a completion by a mixture, exactly, if no given pixel comes
    after the hole's first pixel in the order of any member. Each image is one draw by
    one component (a member with one of its labels), chosen with p(component | given).
    It has the methods of an IslandsRun; `draw` takes only the number of the image."""

    def __init__(
        self,
        target: Target,
        seed: int,
        particles: int,
        stage_of: StageOf | None = None,
    ) -> None:
        """Draw nothing yet.

        target: what is completed; `is_drawn_last` returns True for it.
        seed: of all images.
        particles: half as many images, at least 2, are scored side by side. The result
            does not depend on it.
        stage_of: stage_of(network, size) returns what draws up to `size` particles of a
            network; nothing else may use that meanwhile. Default: `of` of new Stages.
            The result does not depend on it.
        """
        self._target = target
        self._seed = seed
        size = max(2, particles // CHAINS)
        of_network = stage_of or Stages().of
        ways = [way_of(each, size, of_network) for each in target.of_members]
        self._mixture = Mixture(ways)
        self._log_before: NDArray[np.float64] | None = None
        """(M * K,): ln of each component's prior and of its p of the given pixels."""
        self._shares = target.no_shares()
        self._so_far = SoFar(target.known, target.keep, target.categories)
        self._nats: list[float] = []
        self._last = 0
        """The component that drew the last image."""

    def draw(self, i: int) -> NDArray[np.int64]:
        """Return image i, (C, H, W), upright. The first call also draws the images
        behind the marginals."""
        *_, image = self.steps(i)
        assert isinstance(image, np.ndarray)
        return image

    def steps(self, i: int) -> Iterator[float | NDArray[np.int64]]:
        """Draw image i in steps: yield after each step except the last how much is
        done, 0 to 1; with the last step yield the image, (C, H, W), upright. The first
        image also draws the POOLED (8) images behind the marginals. Nothing is done
        until it is iterated."""
        begun = 0.0
        if self._log_before is None:
            begun = 0.9
            for done in self._begin():
                yield begun * done
        assert self._log_before is not None
        given = self._target.given(self._seed, i)
        (uniform,) = choice_noise(self._seed, i, CHOICE, 0, 0, 1)
        self._last = chosen(self._log_before, float(uniform))
        images = self._drawn(self._last, given, DRAW)
        yield begun + (1 - begun) / 2
        log_p = self._mixture.log_p(images, self._target.temperature)
        self._nats.append(-float(self._mixture.whole(log_p)[0]))
        yield images[0]

    def expected_so_far(self) -> NDArray[np.float64] | None:
        """Return the expected value of each variable if it is new, else None."""
        return self._so_far.news()

    def receipt(self) -> tuple[Receipt, Marginals]:
        """Return the receipt of all images that were drawn, at least one, and the
        marginals, which are estimated from POOLED (8) other images."""
        assert self._log_before is not None, "no image was drawn"
        last = self._target.components[self._last]
        found = Receipt(
            True,
            last.orientation,
            "exact",
            tuple("exact" for _ in self._nats),
            evidence_nats=log_count(self._mixture.ways) - log_sum(self._log_before),
            nats=tuple(self._nats),
            label=last.label,
        )
        return found, self._shares.result()

    def _begin(self) -> Iterator[float]:
        """Weigh the components, and draw the images behind the marginals: yield after
        each step how much is done, 0 to 1."""
        given = self._target.given(self._seed)
        parts = len(self._mixture.ways) + 2 * POOLED
        before: list[NDArray[np.float64]] = []
        for way in self._mixture.ways:
            before.append(way.log_p_before(given))
            yield len(before) / parts
        self._log_before = np.concatenate(before)

        # Evenly spaced numbers choose the components almost in proportion to their
        # weights, so that chance has less influence than with random ones.
        pool: list[Images] = []
        for number in range(POOLED):
            k = chosen(self._log_before, (number + 0.5) / POOLED)
            images = self._drawn(k, given, POOL + number)
            pool.append(images)
            yield (len(before) + 2 * number + 1) / parts
            for _ in self._shares.predicting(self._target.components[k], images):
                yield (len(before) + 2 * number + 2) / parts
        even = np.full(POOLED, 1 / POOLED)
        self._so_far.add(Weighted(np.concatenate(pool), even), ~self._target.keep)

    def _drawn(self, k: int, given: Given, number: int) -> Images:
        member, label = divmod(k, len(self._mixture.ways[0].labels))
        way = self._mixture.ways[member]
        labels = None if way.labels == [None] else np.array([way.labels[label]])
        sweep = way.sweep(given, 1, number, ~self._target.keep, labels=labels)
        for _ in sweep.steps():
            pass
        assert sweep.images is not None
        return way.upright(sweep.images).copy()


def is_drawn_last(target: Target) -> bool:
    """Return True if no given pixel comes after the hole's first one in the order of
    any member of the target's model."""
    return not any(
        given_behind(turn(target.keep, components[0].orientation))
        for components in target.of_members
    )
