"""A model of several distributions, as a completion sees it: the even mixture of what its members say.

    p(image) = mean over members k of p_k(image)

Each member is a way through the image: a network, and the orientation in which it sees images. This is the one place
that says so. Whatever else makes a model a mixture of distributions that can be drawn from, a label that is not given
for one, joins here: as more ways. Chains know no more of it than these two questions: how likely a member finds an
image, and what draws particles in its order.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from model_core.elementary import log_sum
from model_core.orientation import Orientation, turn, turn_back
from model_core.posterior.particles import Particle, Particles
from model_core.posterior.plan import Stop, first_hole
from model_core.posterior.smc import Hole, Sweep
from model_core.sampling.noise import image_noise

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


@dataclass(frozen=True)
class Way:
    """A member's way through an image."""

    orientation: Orientation
    particles: Callable[[], Particles]
    """Makes what draws in its order; it is nobody else's until a sweep is finished."""
    within_rows: bool = True
    """Particles may be compared in the midst of a row."""

    def turned(self, upright: NDArray[Kind]) -> NDArray[Kind]:
        """(..., H, W) as this member sees it."""
        return np.ascontiguousarray(turn(upright, self.orientation))

    def upright(self, turned: NDArray[Kind]) -> NDArray[Kind]:
        """Undo `turned`."""
        return np.ascontiguousarray(turn_back(turned, self.orientation))

    def sweep(
        self, given: Given, size: int, number: int, hole: NDArray[np.bool_], image: Images | None = None
    ) -> Sweep:
        """Particles through a hole (H, W): from what is given, or conditional on an image of which all else is."""
        known = given.known if image is None else image
        keep = self.turned(~hole)
        place = Hole(self.turned(known), keep, given.seed, given.sample, given.temperature)
        retained = None if image is None else place.known
        return Sweep(self.particles(), place, size, number, retained, self.within_rows)

    def draws(self, given: Given, samples: Sequence[int]) -> Images:
        """The images of these numbers, each drawn once through the hole: exact where nothing given lies behind."""
        known, keep = self.turned(given.known), self.turned(given.keep)
        C, H, W = known.shape
        if not samples:
            return np.zeros((0, *given.known.shape), np.int64)
        noise = [image_noise(given.seed, each, H, W, C) for each in samples]
        particles = self.particles()
        particles.begin([Particle(each, known, keep) for each in noise], np.zeros_like(keep), given.temperature)
        particles.advance(Stop(H - 1, W))
        return self.upright(particles.images().copy())

    def log_p(self, images: Images, temperature: float, where: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """ln p_T (N,) of whole images, or of their pixels `where` (H, W) in this member's orientation."""
        turned = self.turned(images)
        _, C, H, W = turned.shape
        everywhere, none = np.ones((H, W), np.bool_), np.zeros((H, W, C))
        particles = self.particles()
        weighed = everywhere if where is None else where
        particles.begin([Particle(none, each, everywhere) for each in turned], weighed, temperature)
        return particles.advance(Stop(H - 1, W))

    def log_p_before(self, given: Given) -> float:
        """ln p_T of what is given before the hole's first pixel in this member's order, which no particle weighs."""
        keep = self.turned(given.keep)
        before = np.arange(keep.size).reshape(keep.shape) < first_hole(keep)
        return float(self.log_p(given.known[None], given.temperature, before)[0]) if before.any() else 0.0


@dataclass(frozen=True)
class Mixture:
    """The members of a model, each as likely as the others."""

    ways: Sequence[Way]

    def log_p(self, images: Images, temperature: float) -> NDArray[np.float64]:
        """(K, N): ln p_k of each image."""
        return np.stack([way.log_p(images, temperature) for way in self.ways])


def mixed(log_p: NDArray[np.float64], but: int | None = None) -> NDArray[np.float64]:
    """ln p of the mixture (N,), from ln p_k (K, N); but: leave out this member's part in it."""
    parts = log_p if but is None else np.delete(log_p, but, 0)
    return np.array([log_sum(each) for each in parts.T]) - math.log(len(log_p))
