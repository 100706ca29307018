"""A model of several distributions (components.py), as a completion sees it.

    p(image) = mean over members m of the sum over labels k of prior_k p_m(image | k)

Each member is a way through the image: a network, the orientation in which it sees images, and its labels, if it has
any. A member draws its particles with their labels: these come first, and weights tell which of them suit what is given
behind the hole. Chains ask how likely a component, a member given a label, finds an image, and what draws particles in
a member's order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from model_core.components import Component
from model_core.elementary import log, log_count, log_sum, shares
from model_core.orientation import Orientation, turn, turn_back
from model_core.posterior.marginals import Weighted
from model_core.posterior.particles import Particle, Particles
from model_core.posterior.plan import Stop, first_hole
from model_core.posterior.smc import Hole, Sweep, Took
from model_core.sampling.noise import chosen_label, image_noise

Kind = TypeVar("Kind", bound=np.generic)
Images = NDArray[np.int64]
"""(N, C, H, W), or one (C, H, W); the right way up unless it is said."""


@dataclass(frozen=True)
class Given:
    """The material of one image, the right way up: known (C, H, W) values where keep (H, W) is True, and the
    noise of (seed, sample)."""

    known: NDArray[np.int64]
    keep: NDArray[np.bool_]
    seed: int
    sample: int
    temperature: float
    strange_nats: float | None = None
    """Hardly any image has so many; None where that is not known."""


@dataclass(frozen=True)
class Way:
    """A member's way through an image."""

    orientation: Orientation
    particles: Callable[[int], Particles]
    """Makes what draws so many in its order; it is nobody else's until a sweep is finished."""
    within_rows: bool = True
    """Particles may be compared in the midst of a row."""
    components: Sequence[Component] = ()
    """The member's, one for each label that an image may have; without any, one without a label."""
    most: int = 1
    """Images that it can weigh side by side."""

    @property
    def labels(self) -> Sequence[int | None]:
        """The labels that an image may have; one, None, of a network without labels."""
        return [each.label for each in self.components] or [None]

    @cached_property
    def log_priors(self) -> NDArray[np.float64]:
        """ln of the prior of each label (K,)."""
        return log(np.array([each.prior for each in self.components] or [1.0]))

    def turned(self, upright: NDArray[Kind]) -> NDArray[Kind]:
        """(..., H, W) as this member sees it."""
        return np.ascontiguousarray(turn(upright, self.orientation))

    def upright(self, turned: NDArray[Kind]) -> NDArray[Kind]:
        """Undo `turned`."""
        return np.ascontiguousarray(turn_back(turned, self.orientation))

    def sweep(
        self,
        given: Given,
        size: int,
        number: int,
        hole: NDArray[np.bool_],
        image: Images | None = None,
        labels: NDArray[np.int64] | None = None,
        passed: Took | None = None,
    ) -> Sweep:
        """Particles of these labels through a hole (H, W): from what is given, or conditional on an image, the first
        particle, of which all else is. passed hears of them on their way, the right way up."""
        known = given.known if image is None else image
        keep = self.turned(~hole)
        place = Hole(
            self.turned(known), keep, given.seed, given.sample, given.temperature
        )
        retained = None if image is None else place.known
        told = passed and (
            lambda draws, where: passed(self._righted(draws), self.upright(where))
        )
        return Sweep(
            self.particles(size),
            place,
            size,
            number,
            retained,
            self.within_rows,
            labels,
            told,
        )

    def _righted(self, draws: Weighted) -> Weighted:
        return Weighted(self.upright(draws.images), draws.weights)

    def draws(self, given: Given, samples: Sequence[int]) -> Images:
        """The images of these numbers, each drawn once through the hole: exact where nothing given lies behind."""
        known, keep = self.turned(given.known), self.turned(given.keep)
        C, H, W = known.shape
        if not samples:
            return np.zeros((0, *given.known.shape), np.int64)
        likely = (
            shares(self.log_p_before(given)).tolist() if len(self.labels) > 1 else [1.0]
        )
        labels = [
            self.labels[chosen_label(given.seed, each, likely)] for each in samples
        ]
        noise = [image_noise(given.seed, each, H, W, C) for each in samples]
        particles = self.particles(len(noise))
        begun = [
            Particle(*each)
            for each in zip(
                noise, [known] * len(noise), [keep] * len(noise), labels, strict=True
            )
        ]
        particles.begin(begun, np.zeros_like(keep), given.temperature)
        particles.advance(Stop(H - 1, W))
        return self.upright(particles.images().copy())

    def log_p(
        self, images: Images, temperature: float, where: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        """ln p_T of whole images given each label (K, N), or of their pixels `where` (H, W) in this member's order."""
        turned = self.turned(images)
        _, C, H, W = turned.shape
        everywhere, none = np.ones((H, W), np.bool_), np.zeros((H, W, C))
        pairs = [
            Particle(none, each, everywhere, label)
            for label in self.labels
            for each in turned
        ]
        weighed, found = everywhere if where is None else where, []
        together = max(self.most, len(turned))
        particles = self.particles(together)
        for first in range(0, len(pairs), together):
            particles.begin(pairs[first : first + together], weighed, temperature)
            found.append(particles.advance(Stop(H - 1, W)))
        return np.concatenate(found).reshape(-1, len(turned))

    def log_p_before(self, given: Given) -> NDArray[np.float64]:
        """ln of p_T of each label (K,) and of what is given before the hole's first pixel in this member's order, which
        no particle weighs."""
        keep = self.turned(given.keep)
        before = np.arange(keep.size).reshape(keep.shape) < first_hole(keep)
        if not before.any():
            return self.log_priors
        return (
            self.log_p(given.known[None], given.temperature, before)[:, 0]
            + self.log_priors
        )


@dataclass(frozen=True)
class Mixture:
    """The members of a model, each as likely as the others, and guides, which propose images and have no say."""

    ways: Sequence[Way]
    guides: Sequence[Way] = ()
    """Some may be members' own ways."""

    @cached_property
    def proposers(self) -> Sequence[Way]:
        """The members' ways, and behind them those of guides that are no members."""
        return [
            *self.ways,
            *(
                guide
                for guide in self.guides
                if all(guide is not way for way in self.ways)
            ),
        ]

    def proposed(
        self, k: int, images: Images, log_p: NDArray[np.float64], temperature: float
    ) -> NDArray[np.float64]:
        """ln p (N,) by proposer k of images of which the components say log_p (K, N)."""
        if k < len(self.ways):
            return self.of_members(log_p)[k]
        return summed(
            self.proposers[k].log_p(images, temperature)
            + self.proposers[k].log_priors[:, None]
        )

    @cached_property
    def log_priors(self) -> NDArray[np.float64]:
        """ln of the prior of each component (M * K,), member by member."""
        return np.concatenate([way.log_priors for way in self.ways])

    def log_p(self, images: Images, temperature: float) -> NDArray[np.float64]:
        """(M * K, N): ln of each component's prior and of what it says of each image."""
        return np.concatenate(
            [
                way.log_p(images, temperature) + way.log_priors[:, None]
                for way in self.ways
            ]
        )

    def way_of(self, component: int) -> tuple[int, int]:
        """A component's member, and the number of its label among those that an image may have."""
        return divmod(component, len(self.ways[0].labels))

    def of_members(self, log_p: NDArray[np.float64]) -> NDArray[np.float64]:
        """ln p of each member (M, N), from that of its components (M * K, N)."""
        return np.stack([summed(part) for part in np.split(log_p, len(self.ways))])

    def whole(self, log_p: NDArray[np.float64]) -> NDArray[np.float64]:
        """ln p of the model (N,), from that of all components (M * K, N)."""
        return summed(log_p) - log_count(self.ways)


def summed(log_p: NDArray[np.float64]) -> NDArray[np.float64]:
    """ln of the sum over the first dimension: (N, B) -> (B,)."""
    return np.array([log_sum(each) for each in log_p.T])


def mixed(log_p: NDArray[np.float64], but: int | None = None) -> NDArray[np.float64]:
    """ln p of the mixture (N,), from what its members say, ln p_m (M, N); but: leave out this member's part in it."""
    return summed(log_p if but is None else np.delete(log_p, but, 0)) - log_count(log_p)
