"""A model as the chains of a completion see it: a mixture of distributions
(components.py).

    p(image) = mean over members m of the sum over labels k of prior_k p_m(image | k)

Each member has a way through the image: a network, the orientation in which it sees
images, and its labels, if any. A member draws its particles with their labels: the
labels come first, and weights tell which of them suit the given pixels behind the hole.
Chains use this file to score images by each component, a member given a label, and to
draw particles in a member's order.
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
"""(N, C, H, W), or (C, H, W) for one; upright unless a docstring says otherwise."""


@dataclass(frozen=True)
class Given:
    """The given pixels, upright, and the noise of one image that is completed.

    known, keep: values (C, H, W), and bool (H, W), True for given pixels.
    seed, sample: of its noise.
    temperature: of the probabilities.
    """

    known: NDArray[np.int64]
    keep: NDArray[np.bool_]
    seed: int
    sample: int
    temperature: float
    strange_nats: float | None = None
    """Hardly any image of the model has so many nats; None if that is not known."""


@dataclass(frozen=True)
class Way:
    """One member, or one guide, as a way to draw an image and to score it."""

    orientation: Orientation
    """How it sees images."""
    particles: Callable[[int], Particles]
    """particles(size) returns what draws `size` particles in its order. Nothing else
    uses it until the sweep has ended."""
    within_rows: bool = True
    """True if particles may be compared within a row."""
    components: Sequence[Component] = ()
    """The member's components, one for each label that an image may have. Empty: one
    without a label."""
    most: int = 1
    """Number of images that it can score side by side."""

    @property
    def labels(self) -> Sequence[int | None]:
        """The labels that an image may have; [None] for a network without labels."""
        return [each.label for each in self.components] or [None]

    @cached_property
    def log_priors(self) -> NDArray[np.float64]:
        """ln of the prior of each label, (K,)."""
        return log(np.array([each.prior for each in self.components] or [1.0]))

    def turned(self, upright: NDArray[Kind]) -> NDArray[Kind]:
        """Return upright maps (..., H, W) as this member sees them."""
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
        """Return a new sweep of particles through a hole: its `steps` draw.

        given: the given pixels and the noise.
        size: number of particles.
        number: of the sweep among those of the image, for its noise.
        hole: bool (H, W), the pixels that are drawn, upright.
        image: if given, all pixels outside the hole are its own, and it takes part as
            the first particle, which is always kept.
        labels: (size,), of the particles; None for a network without labels.
        passed: passed(draws, where), called while particles are drawn, upright.
        """
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
        """Return draws in this member's orientation, upright."""
        return Weighted(self.upright(draws.images), draws.weights)

    def draws(self, given: Given, samples: Sequence[int]) -> Images:
        """Return the images with the sample numbers `samples`, (len(samples), C, H, W),
        upright, each drawn once through the hole. They are exact draws from this
        member's posterior if no given pixel lies behind the hole. Raises
        FloatingPointError if logits are not finite."""
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
        """Return ln p of images (N, C, H, W) given each label, (K, N), at a
        temperature.

        where: bool (H, W) in this member's orientation: only these pixels count, each
            given everything before it. Default: all.

        Raises FloatingPointError if logits are not finite.
        """
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
        """Return ln of the prior of each label and of p of the given pixels before the
        hole's first pixel in this member's order, (K,). No particle weighs these
        pixels."""
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
    """The members of a model, which are equally likely, and guides, which propose
    images but do not change p."""

    ways: Sequence[Way]
    """The members."""
    guides: Sequence[Way] = ()
    """The guides; some may be members, too."""

    @cached_property
    def proposers(self) -> Sequence[Way]:
        """The members, then the guides that are not members."""
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
        """Return ln p under proposer k of images, (N,).

        log_p: (M * K, N), as `log_p` returns it for these images. It contains the
            answer for a member; a guide scores the images.
        """
        if k < len(self.ways):
            return self.of_members(log_p)[k]
        return summed(
            self.proposers[k].log_p(images, temperature)
            + self.proposers[k].log_priors[:, None]
        )

    @cached_property
    def log_priors(self) -> NDArray[np.float64]:
        """ln of the prior of each component, (M * K,), member by member."""
        return np.concatenate([way.log_priors for way in self.ways])

    def log_p(self, images: Images, temperature: float) -> NDArray[np.float64]:
        """Return ln of each component's prior and of its p of each image, (M * K, N),
        member by member, at a temperature."""
        return np.concatenate(
            [
                way.log_p(images, temperature) + way.log_priors[:, None]
                for way in self.ways
            ]
        )

    def way_of(self, component: int) -> tuple[int, int]:
        """Return the index of a component's member, and the index of its label among
        those that an image may have."""
        return divmod(component, len(self.ways[0].labels))

    def of_members(self, log_p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ln p under each member, (M, N), given that of its components, (M * K,
        N)."""
        return np.stack([summed(part) for part in np.split(log_p, len(self.ways))])

    def whole(self, log_p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ln p under the model, (N,), given that of all components, (M * K,
        N)."""
        return summed(log_p) - log_count(self.ways)


def summed(log_p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ln of the sum over the first dimension of the numbers whose logarithms are
    given: (N, B) -> (B,)."""
    return np.array([log_sum(each) for each in log_p.T])


def mixed(log_p: NDArray[np.float64], but: int | None = None) -> NDArray[np.float64]:
    """Return ln p of a mixture, (N,), given ln p under each of its M members, (M, N).

    but: index of a member whose part of the sum is left out; it still counts in the
        division by M.
    """
    return summed(log_p if but is None else np.delete(log_p, but, 0)) - log_count(log_p)
