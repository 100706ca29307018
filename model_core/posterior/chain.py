"""One image of a completion: a first sweep of particles, and conditional ones that bring it closer to an exact draw.

The sweeps go through the hole in the order of the member k whose posterior is wanted. Where a model has another member,
every second one goes in the order of that one, the most nearly opposite: what was drawn first, and knew least, is then
drawn last. Such a sweep leaves p_j(hole | given) as it is and not p_k, and it is reversible (Chopin and Singh, 2015).
So its image x' takes the place of x with probability min(1, p_k(x') p_j(x) / (p_k(x) p_j(x'))) (Hastings, 1970). The
last sweep always goes in the order of k.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_core.orientation import Orientation, turn, turn_back
from model_core.posterior.elementary import log
from model_core.posterior.particles import Particle, Particles
from model_core.posterior.smc import Hole, Sweep
from model_core.sampling.noise import choice_noise

Image = NDArray[np.int64]
"""(C, H, W)"""


class Weighted(NamedTuple):
    """The particles of a sweep, in their member's orientation."""

    images: NDArray[np.int64]
    """(N, C, H, W)"""
    weights: NDArray[np.float64]
    """(N,), adding up to 1."""


@dataclass(frozen=True)
class Way:
    """A member's way through the hole."""

    orientation: Orientation
    hole: Hole
    """The hole, in that orientation."""
    particles: Callable[[], Particles]
    """Makes what draws the particles; it is nobody else's until a sweep is finished."""
    within_rows: bool = True
    """Particles may be compared in the midst of a row."""

    def log_p(self, image: Image) -> float:
        """ln p_T of a whole image (C, H, W), the right way up, as this member's steps compute it."""
        H, W = self.hole.keep.shape
        everywhere, none = np.ones((H, W), np.bool_), np.zeros((H, W, len(image)))
        particles = self.particles()
        particles.begin([Particle(none, self.turned(image), everywhere)], everywhere, self.hole.temperature)
        return float(particles.advance(self.hole.end)[0])

    def turned(self, image: Image) -> Image:
        return np.ascontiguousarray(turn(image, self.orientation))


class Chain:
    """An island on its way to one image."""

    def __init__(self, ways: Sequence[Way], size: int, sweeps: int = 0) -> None:
        """ways: of the member whose posterior is wanted, and of one other, if there is any; size: how many particles;
        sweeps: how many conditional ones follow the first."""
        self._ways = ways
        self._size = size
        self._sweeps = sweeps
        self.image: Image | None = None
        """The right way up, after each sweep."""
        self.log_evidence = 0.0
        """ln of the estimate of p_k(given), of the first sweep."""
        self.log_p = 0.0
        """ln p_k of the last image, all of it."""
        self.least_ess = float(size)
        """Smallest effective sample size on the way, of all sweeps."""
        self.distinct = size
        """Number of first particles from which the last ones of the last sweep descend."""
        self.last: Weighted | None = None
        """Weighted images of the last sweep, which is of p_k."""

    def steps(self) -> Iterator[float]:
        """Draw the image: after each step, how much of all is done, 0 to 1."""
        for number in range(self._sweeps + 1):
            way = self._way_of(number)
            retained = None if self.image is None else way.turned(self.image)
            sweep = Sweep(way.particles(), way.hole, self._size, number, retained, way.within_rows)
            while not sweep.finished:
                sweep.step()
                yield (number + sweep.done) / (self._sweeps + 1)
            self._take_in(sweep, way, number)
        assert self.image is not None
        self.log_p = self._ways[0].log_p(self.image)

    def _way_of(self, number: int) -> Way:
        return self._ways[1] if len(self._ways) > 1 and number and (self._sweeps - number) % 2 else self._ways[0]

    def _take_in(self, sweep: Sweep, way: Way, number: int) -> None:
        assert sweep.image is not None
        assert sweep.images is not None
        drawn = np.ascontiguousarray(turn_back(sweep.image, way.orientation))
        if way is self._ways[0] or self._is_taken(drawn, number):
            self.image = drawn
        if number == 0:
            self.log_evidence = sweep.island.evidence()
        self.least_ess = min(self.least_ess, sweep.island.least_ess)
        self.distinct = len(np.unique(sweep.island.ancestors))
        self.last = Weighted(sweep.images, sweep.island.weights)

    def _is_taken(self, drawn: Image, number: int) -> bool:
        """True if an image that another member's sweep has drawn takes the place of the one there is."""
        assert self.image is not None
        if np.array_equal(drawn, self.image):
            return True
        ours, theirs = (way.log_p(drawn) - way.log_p(self.image) for way in self._ways)
        hole = self._ways[0].hole
        (uniform,) = choice_noise(hole.seed, hole.sample, number, hole.keep.shape[0], 1, 1)
        return float(log(1 - uniform)) < ours - theirs  # 1 - uniform is never 0
