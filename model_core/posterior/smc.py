"""One image drawn from p(hole | everything given), by an island of particles; in steps, so that others can go between.

Sweep 0 is sequential Monte Carlo; each further sweep is a conditional one, which keeps the image drawn last as one of
the particles (particle Gibbs: Andrieu, Doucet and Holenstein, 2010). Its stationary distribution is exact for any
number of particles.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model_core.posterior.island import Island
from model_core.posterior.particles import Particle, Particles
from model_core.posterior.plan import Stop, first_hole, stops, with_row_ends
from model_core.sampling.noise import choice_noise, particle_noise


@dataclass(frozen=True)
class Hole:
    """What one image is completed from, in its member's orientation: known (C, H, W) values where keep (H, W) is True,
    and the noise of (seed, sample)."""

    known: NDArray[np.int64]
    keep: NDArray[np.bool_]
    seed: int
    sample: int
    temperature: float

    @cached_property
    def weighed(self) -> NDArray[np.bool_]:
        """The given pixels that say something of the hole: those behind its first pixel."""
        behind = self.keep.copy()
        behind.ravel()[: first_hole(self.keep)] = False
        return behind

    @property
    def end(self) -> Stop:
        """Behind the last pixel."""
        return Stop(self.keep.shape[0] - 1, self.keep.shape[1])


class IslandRun:
    """An island on its way to one image."""

    def __init__(self, particles: Particles, hole: Hole, size: int, sweeps: int = 0, within_rows: bool = True) -> None:
        """particles: what draws them, nobody else's until the run is finished; size: how many; sweeps: how many
        conditional ones follow; within_rows: whether particles may be compared in the midst of a row."""
        self._particles = particles
        self._hole = hole
        self._compared = frozenset(stops(hole.keep, within_rows))
        self._stops = with_row_ends(hole.keep, sorted(self._compared))
        self._size = size
        self._sweeps = sweeps
        self._sweep = 0
        self.image: NDArray[np.int64] | None = None
        """(C, H, W), drawn by the weights at the end of the last sweep that was made."""
        self.log_evidence = 0.0
        """ln of the estimate of p(given), of sweep 0."""
        self.least_ess = float(size)
        self._begin()

    @property
    def finished(self) -> bool:
        """Whether the image is final."""
        return self._sweep > self._sweeps

    @property
    def done(self) -> float:
        """How much of the work is done, 0 to 1."""
        share = self._next / (len(self._stops) + 1)
        return min(1.0, (self._sweep + share) / (self._sweeps + 1))

    def step(self) -> None:
        """Go on to the next stop, at the end of a row at the latest, or to the end of a sweep."""
        hole = self._hole
        if self._next < len(self._stops):
            self._go_to(self._stops[self._next])
            self._next += 1
            return
        self._particles.advance(hole.end)
        self._end_sweep()

    def weighted_images(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The particles (N, C, H, W) of the last sweep and their weights (N,)."""
        return self._last_images, self._last_weights

    @property
    def distinct(self) -> int:
        """From how many of the first particles the last ones descend."""
        return self._last_ancestors

    def _begin(self) -> None:
        retained = 0 if self.image is not None else None
        self._island = Island(self._size, retained)
        particles = [self._particle(i) for i in range(self._size)]
        self._particles.begin(particles, self._hole.weighed, self._hole.temperature)
        self._next = 0

    def _particle(self, i: int) -> Particle:
        hole = self._hole
        C, H, W = hole.known.shape
        noise = particle_noise(hole.seed, hole.sample, self._sweep, i, H, W, C)
        if i == 0 and self.image is not None:
            return Particle(noise, self.image, np.ones_like(hole.keep))
        return Particle(noise, hole.known, hole.keep)

    def _go_to(self, stop: Stop) -> None:
        log_p = self._particles.advance(stop)
        if stop in self._compared:
            self._compare(stop, log_p)

    def _compare(self, stop: Stop, log_p: NDArray[np.float64]) -> None:
        island = self._island
        island.weigh(log_p)
        if island.is_poor and not self._hole_is_over(stop):
            uniforms = choice_noise(self._hole.seed, self._hole.sample, self._sweep, stop.y, stop.x, self._size)
            self._particles.copy(island.resample(uniforms))

    def _hole_is_over(self, stop: Stop) -> bool:
        """Whether all that is left is given: the weights then choose, and copies would only lose particles."""
        keep = self._hole.keep
        return bool(keep.ravel()[stop.y * keep.shape[1] + stop.x :].all())

    def _end_sweep(self) -> None:
        island, hole = self._island, self._hole
        H = hole.keep.shape[0]
        (uniform,) = choice_noise(hole.seed, hole.sample, self._sweep, H, 0, 1)
        images = self._particles.images()
        self.image = images[island.drawn(float(uniform))].copy()
        if self._sweep == 0:
            self.log_evidence = island.evidence()
        self.least_ess = min(self.least_ess, island.least_ess)
        self._last_images, self._last_weights = images.copy(), island.weights
        self._last_ancestors = len(np.unique(island.ancestors))
        self._sweep += 1
        if not self.finished:
            self._begin()
