"""Sweeps with a retained image, one after the other, are a Markov chain whose distribution is the exact posterior,
wherever the hole ends in a row. The network is a chain of pixels, so that thousands of sweeps take a moment."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from model_core.posterior.particles import Parents, Particle
from model_core.posterior.plan import Stop
from model_core.posterior.smc import Hole, Sweep

STAYS = 0.9
"""Probability that a pixel, 0 or 1, equals the one before it. The first is 0 or 1 alike."""
SWEEPS = 2000
PARTICLES = 8


def p_of_one(before: int | None) -> float:
    """Probability that a pixel is 1, given the one before it."""
    if before is None:
        return 0.5
    return STAYS if before else 1 - STAYS


class PixelChain:
    """Particles of one row, whose pixels are such a chain."""

    def begin(
        self, particles: list[Particle], weighed: NDArray[np.bool_], temperature: float
    ) -> None:
        assert temperature == 1
        self._particles = particles
        self._weighed = weighed[0]
        self._at = 0
        self._values = np.stack([each.known for each in particles])

    def advance(self, stop: Stop) -> NDArray[np.float64]:
        end = stop.x if stop.y == 0 else self._weighed.size
        passed = [
            sum(self._draw(particle, values[0, 0], x) for x in range(self._at, end))
            for particle, values in zip(self._particles, self._values, strict=True)
        ]
        self._at = end
        return np.array(passed, np.float64)

    def _draw(self, particle: Particle, row: NDArray[np.int64], x: int) -> float:
        """Draw pixel x of a row unless it is given. Return its ln p if it is weighed."""
        p = p_of_one(int(row[x - 1]) if x else None)
        if not particle.keep[0, x]:
            row[x] = int(particle.noise[0, x, 0] < p)
        return float(np.log(p if row[x] else 1 - p)) if self._weighed[x] else 0.0

    def copy(self, parents: Parents) -> None:
        self._values = self._values[parents]

    def narrow(self, left: NDArray[np.int64]) -> None:
        self._values = self._values[left]
        self._particles = [self._particles[i] for i in left]

    def images(self) -> NDArray[np.int64]:
        return self._values.copy()


def truth(known: NDArray[np.int64], keep: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Probability of each pixel to be 1, given the others: by enumeration."""
    total = np.zeros(keep.size)
    mass = 0.0
    for row in itertools.product((0, 1), repeat=keep.size):
        if (np.array(row)[keep] == known[keep]).all():
            ones = [p_of_one(row[x - 1] if x else None) for x, _ in enumerate(row)]
            p = float(np.prod(np.where(row, ones, 1 - np.array(ones))))
            total += p * np.array(row)
            mass += p
    return total / mass


@pytest.mark.parametrize("within_rows", [True, False])
@pytest.mark.parametrize(
    "holes", [".#.#", ".###", ".#..#", "..#.###.#", ".#.#.#.#.#.#"]
)
def test_sweeps_with_a_retained_image_follow_the_exact_posterior(
    holes: str, within_rows: bool
) -> None:
    """Also if the hole ends before the row does, where a sweep pauses: given pixels since the last comparison, which
    say something about the hole, count there."""
    keep = np.array([pixel == "#" for pixel in holes])
    known = np.where(np.arange(keep.size) < keep.size / 2, 1, 0)
    image = known[None, None]
    drawn = np.zeros(keep.size)
    for number in range(SWEEPS):
        hole = Hole(image, keep[None], seed=5, sample=0, temperature=1.0)
        sweep = Sweep(PixelChain(), hole, PARTICLES, number, image, within_rows)
        for _ in sweep.steps():
            pass
        assert sweep.image is not None
        image = sweep.image
        drawn += image[0, 0]
    np.testing.assert_allclose(drawn / SWEEPS, truth(known, keep), atol=0.04)
