"""A model as the chains of a completion see it: a mixture of distributions
(components.py).

    p(image) = mean over members m of the sum over labels k of prior_k p_m(image | k)

Each member has a way through the image: a network, the orientation in which it sees
images, and its labels, if any. A member draws its particles with their labels: the
labels come first, and weights tell which of them suit the given pixels behind the hole.
Chains use this file to score images by each component, a member given a label, and to
draw particles in a member's order.
"""

from collections.abc import Callable, Generator, Sequence
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
Result = TypeVar("Result")
Images = NDArray[np.int64]
"""(N, C, H, W), or (C, H, W) for one; upright unless a docstring says otherwise."""


@dataclass(frozen=True)
class Given:
    """The given pixels, upright (not turned into a member's orientation), and the noise
    of one image that is completed.

    known, keep: values (C, H, W), and bool (H, W), True for given pixels.
    seed, sample: numbers that determine the image's noise.
    temperature: divides the logits of all probabilities; 1 is the model's own.
    """

    known: NDArray[np.int64]
    keep: NDArray[np.bool_]
    seed: int
    sample: int
    temperature: float
    strange_nats: float | None = None
    """99 % of the model's validation images have fewer nats (-ln p); None if that is
    not known, or if the temperature is not 1."""


@dataclass(frozen=True)
class Way:
    """One member of a model, or one guide (a network that proposes images but does not
    change p), as a way through an image: it draws images in the order of its own
    orientation, and scores them. `way_of` (islands.py) makes it.

    Maps and images are upright, not turned into that orientation, unless a docstring
    says otherwise. K is the number of labels, 1 without labels.
    """

    orientation: Orientation
    """How its network sees images."""
    particles: Callable[[int], Particles]
    """particles(size) returns what draws up to `size` particles in its order. Nothing
    else may use that until the sweep has ended."""
    within_rows: bool = True
    """True if the weights of particles may be compared within a row, not only at its
    end."""
    components: Sequence[Component] = ()
    """The member's components: one for each label that an image may have, or a single
    one without a label. Empty counts as a single one without a label, with prior 1."""
    most: int = 1
    """Most images that it scores side by side, unless a call has more: then it scores
    these together."""

    @property
    def labels(self) -> Sequence[int | None]:
        """The indices of the labels that an image may have, [0, 1, ...] or one of them;
        [None] for a network without labels."""
        return [each.label for each in self.components] or [None]

    @cached_property
    def log_priors(self) -> NDArray[np.float64]:
        """ln of the prior of each label, (K,)."""
        return log(np.array([each.prior for each in self.components] or [1.0]))

    def turned(self, upright: NDArray[Kind]) -> NDArray[Kind]:
        """Return upright maps (..., H, W) as this member sees them. The result is
        contiguous, and may share the memory of `upright`."""
        return np.ascontiguousarray(turn(upright, self.orientation))

    def upright(self, turned: NDArray[Kind]) -> NDArray[Kind]:
        """Undo `turned`: return maps (..., H, W) in this member's orientation
        upright."""
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
        to_end: bool = False,
    ) -> Sweep:
        """Return a new sweep, which draws particles (unfinished images with weights)
        through a hole in this member's order. Rows before the hole are computed now;
        its `steps` draw the rest. Its own `image` and `images` are in this member's
        orientation.

        given: the given pixels and the noise.
        size: number of particles; with an image at least 2, since alone that image
            would be the result.
        number: index of the sweep among those of the image; it determines the noise.
        hole: bool (H, W), the pixels that are drawn.
        image: (C, H, W): all pixels outside the hole are taken from it, and it takes
            part as the first particle, which is always kept. None: pixels outside the
            hole are taken from `given`, and there is no such particle.
        labels: (size,), index of the label of each particle; None for a network without
            labels.
        passed: passed(draws, where), called while particles are drawn, with upright
            images; see Sweep.
        to_end: True to weigh all given pixels also if only one particle is left after
            the hole; see Sweep.
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
            to_end,
        )

    def _righted(self, draws: Weighted) -> Weighted:
        return Weighted(self.upright(draws.images), draws.weights)

    def draws(
        self,
        given: Given,
        samples: Sequence[int],
        log_before: NDArray[np.float64],
    ) -> Images:
        """Return images, (len(samples), C, H, W), each drawn once through the hole with
        the noise of (given.seed, its sample number). A label is drawn first, with
        p(label | the given pixels before the hole's first pixel). They are exact draws
        from this member's p(hole | given) if no given pixel comes after the hole's
        first pixel in its order.

        log_before: (K,), the result of `log_p_before`.
        """
        known, keep = self.turned(given.known), self.turned(given.keep)
        C, H, W = known.shape
        if not samples:
            return np.zeros((0, *given.known.shape), np.int64)
        likely = shares(log_before).tolist()
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
        """Return ln p of images (N, C, H, W), at least one, given each label, (K, N),
        at a temperature.

        where: bool (H, W) in this member's orientation, not upright: only these pixels
            count, each given everything before it. The images must be equal in the rows
            above the first such pixel, which are worked through once. Default: all.
        """
        return result_of(self.log_p_steps(images, temperature, where))

    def log_p_steps(
        self, images: Images, temperature: float, where: NDArray[np.bool_] | None = None
    ) -> Generator[None, None, NDArray[np.float64]]:
        """Compute the result of `log_p` in steps: yield after each group of `most`
        images."""
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
            yield
        return np.concatenate(found).reshape(-1, len(turned))

    def log_p_before(self, given: Given) -> NDArray[np.float64]:
        """Return for each label ln of its prior times p of the given pixels before the
        hole's first pixel in this member's order, (K,). Particles do not weigh these
        pixels."""
        return result_of(self.log_p_before_steps(given))

    def log_p_before_steps(
        self, given: Given
    ) -> Generator[None, None, NDArray[np.float64]]:
        """Compute the result of `log_p_before` in steps: yield after each group of
        images."""
        keep = self.turned(given.keep)
        before = np.arange(keep.size).reshape(keep.shape) < first_hole(keep)
        if not before.any():
            return self.log_priors
        log_p = yield from self.log_p_steps(
            given.known[None], given.temperature, before
        )
        return log_p[:, 0] + self.log_priors


def result_of(steps: Generator[object, None, Result]) -> Result:
    """Return what a computation in steps returns after its last step."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@dataclass(frozen=True)
class Mixture:
    """The M members of a model, which are equally likely, and guides, networks that
    propose images but do not change p. A component is a member with one of its K labels
    (K = 1 without labels); components are ordered member by member. Images are
    upright."""

    ways: Sequence[Way]
    """The members; each has the same number of labels."""
    guides: Sequence[Way] = ()
    """The guides; some may be members, too."""

    @cached_property
    def proposers(self) -> Sequence[Way]:
        """The members, then the guides that are not members. Indices of proposers are
        places in this list."""
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
        """Return ln p of images under proposer k, at a temperature, summed over its
        labels: (N,).

        k: index of the proposer.
        images: (N, C, H, W).
        log_p: (M * K, N), what `log_p` returns for these images. The result for a
            member is computed from it; a guide that is no member scores the images.
        """
        if k < len(self.ways):
            return self.of_members(log_p)[k]
        return summed(
            self.proposers[k].log_p(images, temperature)
            + self.proposers[k].log_priors[:, None]
        )

    @cached_property
    def log_priors(self) -> NDArray[np.float64]:
        """ln of the prior of each component's label, (M * K,)."""
        return np.concatenate([way.log_priors for way in self.ways])

    def log_p(self, images: Images, temperature: float) -> NDArray[np.float64]:
        """Return for each component ln of its label's prior times its p of each image,
        at a temperature: (M * K, N) for images (N, C, H, W), at least one. The factor 1
        / M of the members is not included."""
        return np.concatenate(
            [
                way.log_p(images, temperature) + way.log_priors[:, None]
                for way in self.ways
            ]
        )

    def way_of(self, component: int) -> tuple[int, int]:
        """Return the index of a component's member, and the index of its label in that
        member's `labels`."""
        return divmod(component, len(self.ways[0].labels))

    def of_members(self, log_p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ln p under each member, summed over its labels, (M, N).

        log_p: (M * K, N), as `log_p` returns it.
        """
        return np.stack([summed(part) for part in np.split(log_p, len(self.ways))])

    def whole(self, log_p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ln p under the model, the mean over its members, (N,).

        log_p: (M * K, N), as `log_p` returns it.
        """
        return summed(log_p) - log_count(self.ways)


def summed(log_p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ln of sums over the first dimension, given the logarithms of their terms:
    (N, B) -> (B,). Each sum has at least one finite logarithm."""
    if len(log_p) == 1:
        return log_p[0].copy()  # the same bits, and no loop over thousands of images
    return np.array([log_sum(each) for each in log_p.T])


def mixed(log_p: NDArray[np.float64], but: int | None = None) -> NDArray[np.float64]:
    """Return ln p of images under a mixture, the mean over its M members: (N,), given
    ln p under each member, (M, N).

    but: index of a member whose part of the sum is left out; it still counts in the
        division by M. None: all count.
    """
    return summed(log_p if but is None else np.delete(log_p, but, 0)) - log_count(log_p)
