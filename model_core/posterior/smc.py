"""A sweep of particles through a hole, from the first row to the last; in steps, so that others can go between.

Without a retained image it is sequential Monte Carlo. With one it is conditional: that image takes part as one of the
particles and always lives on, so that the images drawn by one sweep after another are a Markov chain whose stationary
distribution is p(hole | everything given) for any number of particles (particle Gibbs: Andrieu, Doucet and Holenstein,
2010).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model_core.posterior.island import Island
from model_core.posterior.marginals import Weighted
from model_core.posterior.particles import Particle, Particles
from model_core.posterior.plan import Stop, first_hole, stops, with_row_ends
from model_core.sampling.noise import choice_noise, particle_noise

Took = Callable[[Weighted, NDArray[np.bool_]], None]
"""Hears of particles, as far as they are drawn, and which pixels (H, W) were drawn since it heard of them last."""

ROWS_BEHIND = 2
"""Rows behind a hole's last pixel that tell most of what is to be told of its particles."""
LAST = 4
"""Draws of particles that go on from there: they are given the same pixels to the end."""


@dataclass(frozen=True)
class Hole:
    """The hole of one image, in a member's orientation: known (C, H, W) values where keep (H, W) is True, and the noise
    of (seed, sample)."""

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


class Sweep:
    """An island of particles on its way through a hole to one image."""

    def __init__(
        self,
        particles: Particles,
        hole: Hole,
        size: int,
        number: int = 0,
        retained: NDArray[np.int64] | None = None,
        within_rows: bool = True,
        labels: NDArray[np.int64] | None = None,
        passed: Took | None = None,
    ) -> None:
        """particles: what draws them, nobody else's until the sweep is finished; size: how many; number: of this sweep
        among those of the image, for its noise; retained: an image (C, H, W) that takes part, as the first;
        within_rows: whether particles may be compared in the midst of a row; labels (N,): the particles', where images
        have some."""
        self._particles = particles
        self._hole = hole
        self._number = number
        self._compared = frozenset(stops(hole.keep, within_rows))
        pauses = (
            {self._hole_ends} if retained is not None and within_rows else set[Stop]()
        )
        self._stops = with_row_ends(hole.keep, sorted(self._compared | pauses))
        self._is_merged = retained is None
        self._next = 0
        self._labels = labels
        self._passed, self._heard = passed, hole.keep.copy()
        self.label: int | None = None
        """The label of the image."""
        self.island = Island(size, None if retained is None else 0)
        self.image: NDArray[np.int64] | None = None
        """(C, H, W), drawn by the weights at the end."""
        self.images: NDArray[np.int64] | None = None
        """All particles (N, C, H, W) that are left at the end; island.weights are theirs."""
        begun = [
            Particle(self._noise(i), hole.known, hole.keep, self._label(i))
            for i in range(size)
        ]
        if retained is not None:
            begun[0] = replace(begun[0], known=retained, keep=np.ones_like(hole.keep))
        particles.begin(begun, hole.weighed, hole.temperature)

    def _label(self, i: int) -> int | None:
        return None if self._labels is None else int(self._labels[i])

    def _noise(self, i: int) -> NDArray[np.float64]:
        C, H, W = self._hole.known.shape
        return particle_noise(
            self._hole.seed, self._hole.sample, self._number, i, H, W, C
        )

    @property
    def finished(self) -> bool:
        """True if the image is there."""
        return self.image is not None

    @property
    def done(self) -> float:
        """How much of the work is done, 0 to 1."""
        return 1.0 if self.finished else self._next / (len(self._stops) + 1)

    def steps(self) -> Iterator[float]:
        """Go on to the end: after each stop, how much of the work is done."""
        while not self.finished:
            self.step()
            yield self.done

    def step(self) -> None:
        """Go on to the next stop, at the end of a row at the latest, or to the end."""
        if self._next == len(self._stops):
            self._particles.advance(self._hole.end)
            self._draw()
            return
        stop = self._stops[self._next]
        log_p = self._particles.advance(stop)
        if stop in self._compared:
            self.island.weigh(log_p)
        self._tell(stop)
        if stop in self._compared:
            self._compare(stop)
        self._next += 1
        if stop >= self._hole_ends and not self._is_merged:
            self._merge()

    def _merge(self) -> None:
        """Go on with one of those particles that have drawn the same: they are given the same from here on. Nothing is
        left to do where all have."""
        self._is_merged = True
        drawn = self._particles.images()[:, :, ~self._hole.keep]
        first: dict[tuple[int | None, bytes], int] = {}
        groups = np.array(
            [
                first.setdefault((self._label(i), each.tobytes()), i)
                for i, each in enumerate(drawn)
            ]
        )
        left = self.island.merge(groups)
        self._particles.narrow(left)
        self._follow(left)
        if len(left) == 1:
            self._draw()

    def _tell(self, stop: Stop) -> None:
        """Tell of the hole pixels since the last stop, while particles are as many as their weights tell apart."""
        if self._passed is None:
            return
        since = ~self._heard
        since.ravel()[stop.y * since.shape[1] + stop.x :] = False
        if since.any():
            self._passed(Weighted(self._particles.images(), self.island.weights), since)
            self._heard |= since

    def _compare(self, stop: Stop) -> None:
        if stop < self._hole_ends:
            if self.island.is_poor:
                parents = self.island.resample(self._uniforms(stop))
                self._particles.copy(parents)
                self._follow(parents)
        elif stop.y >= self._hole_ends.y + ROWS_BEHIND and self.island.size > LAST:
            left = self.island.narrow(self._uniforms(stop), LAST)
            self._particles.narrow(left)
            self._follow(left)

    def _follow(self, parents: NDArray[np.int64]) -> None:
        """Let labels go where their particles go."""
        if self._labels is not None:
            self._labels = self._labels[parents]

    def _uniforms(self, stop: Stop) -> NDArray[np.float64]:
        return choice_noise(
            self._hole.seed,
            self._hole.sample,
            self._number,
            stop.y,
            stop.x,
            self.island.size,
        )

    @cached_property
    def _hole_ends(self) -> Stop:
        """Behind its last pixel. From there on copies would only lose particles, as all that is left is given."""
        last = np.flatnonzero(~self._hole.keep)[-1:]
        y, x = divmod(int(last[0]) if len(last) else 0, self._hole.keep.shape[1])
        return Stop(y, x + 1)

    def _draw(self) -> None:
        """Draw the image by the weights."""
        hole = self._hole
        (uniform,) = choice_noise(
            hole.seed, hole.sample, self._number, hole.keep.shape[0], 0, 1
        )
        self.images = np.where(hole.keep, hole.known, self._particles.images())
        drawn = self.island.drawn(float(uniform))
        self.image, self.label = self.images[drawn], self._label(drawn)
