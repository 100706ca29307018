"""A sweep: particles that are drawn side by side through a hole, from the first row to
the last, in steps, so that other work can be done in between.

Without a retained image it is sequential Monte Carlo. With one it is conditional: that
image takes part as one of the particles and is always kept, so that the images drawn by
one sweep after another are a Markov chain whose stationary distribution is p(hole | all
given pixels) for any number of particles (particle Gibbs: Andrieu, Doucet and
Holenstein, 2010).
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
"""took(draws, where): called with weighted particles, as far as they are drawn, and
with a map (H, W) that is True for the pixels that were drawn since the last call."""

ROWS_BEHIND = 2
"""Rows after a hole's last pixel whose given pixels tell most of what can be told about
its particles."""
LAST = 4
"""Draws of particles that continue from there, since all get the same given pixels to
the end."""


@dataclass(frozen=True)
class Hole:
    """The hole of one image and what is given around it, in the orientation of the
    member that draws.

    known, keep: values (C, H, W), and bool (H, W), True for given pixels.
    seed, sample: numbers that determine the image's noise.
    temperature: divides the logits of all probabilities; 1 is the model's own.
    """

    known: NDArray[np.int64]
    keep: NDArray[np.bool_]
    seed: int
    sample: int
    temperature: float

    @cached_property
    def weighed(self) -> NDArray[np.bool_]:
        """Bool (H, W): the given pixels after the hole's first pixel in raster order,
        which tell something about the hole."""
        behind = self.keep.copy()
        behind.ravel()[: first_hole(self.keep)] = False
        return behind

    @property
    def end(self) -> Stop:
        """The stop after the last pixel of the image."""
        return Stop(self.keep.shape[0] - 1, self.keep.shape[1])


class Sweep:
    """Particles, unfinished images with weights, that are drawn side by side through a
    hole to one image. Call `steps`, or `step` until `finished`; then `image` is the
    draw. Images are in the orientation of the hole.

    island: the particles' weights.
    image: (C, H, W), drawn by the weights at the end; None before.
    images: (N, C, H, W), all particles that are left at the end, which may be fewer
        than at the beginning; their weights are island.weights. None before.
    label: index of the image's label, once it is drawn; None before, and in a network
        without labels.
    """

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
        to_end: bool = False,
    ) -> None:
        """Begin the particles. Rows before the hole may be computed; nothing of the
        hole is drawn yet.

        particles: what draws them; used by nothing else until the sweep has ended.
        hole: what is given.
        size: number of particles, at least 1.
        number: of this sweep among those of the image; it determines the noise.
        retained: an image (C, H, W) that takes part as the first particle and is always
            kept. Its given pixels must be those of the hole. With it, `size` should be
            at least 2, since alone it would be the result.
        within_rows: True if particles may be compared within a row, not only at its
            end.
        labels: (size,), index of the label of each particle; None for a network without
            labels.
        passed: passed(draws, where), called after each stop at which pixels of the hole
            were drawn since the last call: with the particles and their weights, and
            with a map (H, W) of these pixels.
        to_end: True to weigh all given pixels also if only one particle is left after
            the hole, so that `island.evidence` is an estimate for all of them; False to
            end the sweep there.
        """
        self._particles = particles
        self._hole = hole
        self._number = number
        self._compared = frozenset(stops(hole.keep, within_rows))
        pauses = (
            {self._hole_ends} if retained is not None and within_rows else set[Stop]()
        )
        # `advance` returns ln p since its last stop, so it counts at a pause, too.
        self._weighed = self._compared | pauses
        self._stops = with_row_ends(hole.keep, sorted(self._weighed))
        self._is_merged = retained is None
        self._to_end = to_end
        self._next = 0
        self._labels = labels
        self._passed, self._heard = passed, hole.keep.copy()
        self.label: int | None = None
        """Label of the image, once it is drawn."""
        self.island = Island(size, None if retained is None else 0)
        self.image: NDArray[np.int64] | None = None
        """(C, H, W), in the member's orientation, drawn by the weights at the end; None
        before."""
        self.images: NDArray[np.int64] | None = None
        """All particles (N, C, H, W) that are left at the end, whose weights are
        island.weights; None before."""
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
        """Return the noise (H, W, C) of particle i."""
        hole = self._hole
        C, H, W = hole.known.shape
        rows = min(H, self._hole_ends.y + 1)
        drawn = particle_noise(hole.seed, hole.sample, self._number, i, rows, W, C)
        if rows == H:
            return drawn
        # Nothing is drawn in the rows below the hole.
        noise = np.zeros((H, W, C))
        noise[:rows] = drawn
        return noise

    @property
    def finished(self) -> bool:
        """True if the image is drawn."""
        return self.image is not None

    @property
    def done(self) -> float:
        """How much of the sweep is done, 0 to 1."""
        return 1.0 if self.finished else self._next / (len(self._stops) + 1)

    def steps(self) -> Iterator[float]:
        """Continue to the end: yield after each step how much is done, 0 to 1."""
        while not self.finished:
            self.step()
            yield self.done

    def step(self) -> None:
        """Continue to the next stop, at the latest the end of a row, or to the end of
        the image: draw the particles, weigh them by the given pixels, and resample them
        if necessary.

        At the end set `image`, `images` and `label`; the sweep is then finished, and
        must not be continued. Unless `to_end` is True, it also ends when a single
        particle is left after the hole.

        Raises ImpossibleError if the network gives the given pixels no probability.
        """
        if self._next == len(self._stops):
            self._particles.advance(self._hole.end)
            self._draw()
            return
        stop = self._stops[self._next]
        log_p = self._particles.advance(stop)
        if stop in self._weighed:
            self.island.weigh(log_p)
        self._tell(stop)
        if stop in self._compared:
            self._compare(stop)
        self._next += 1
        if stop >= self._hole_ends and not self._is_merged:
            self._merge()

    def _merge(self) -> None:
        """Make one particle of those that have drawn the same values and labels. If
        only one is left, the image is known, and the sweep is done unless `to_end` is
        True."""
        self._is_merged = True
        drawn = self._particles.images()[:, :, ~self._hole.keep]
        first: dict[tuple[int | None, bytes], int] = {}
        groups = np.array(
            [
                first.setdefault((self._label(i), each.tobytes()), i)
                for i, each in enumerate(drawn)
            ]
        )
        # From here on these get the same given pixels.
        left = self.island.merge(groups)
        self._particles.narrow(left)
        self._follow(left)
        if len(left) == 1 and not self._to_end:
            self._draw()

    def _tell(self, stop: Stop) -> None:
        """Report the hole pixels drawn since the last stop, before particles are
        resampled."""
        # Before, because resampling makes particles identical.
        if self._passed is None:
            return
        since = ~self._heard
        since.ravel()[stop.y * since.shape[1] + stop.x :] = False
        if since.any():
            self._passed(Weighted(self._particles.images(), self.island.weights), since)
            self._heard |= since

    def _compare(self, stop: Stop) -> None:
        """Resample the particles if their weights require it; after the hole, continue
        with a few draws of them."""
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
        """The stop after the hole's last pixel. After it, copies would only lose
        particles, as all further pixels are given."""
        last = np.flatnonzero(~self._hole.keep)[-1:]
        y, x = divmod(int(last[0]) if len(last) else 0, self._hole.keep.shape[1])
        return Stop(y, x + 1)

    def _draw(self) -> None:
        hole = self._hole
        (uniform,) = choice_noise(
            hole.seed, hole.sample, self._number, hole.keep.shape[0], 0, 1
        )
        self.images = np.where(hole.keep, hole.known, self._particles.images())
        drawn = self.island.drawn(float(uniform))
        self.image, self.label = self.images[drawn], self._label(drawn)
