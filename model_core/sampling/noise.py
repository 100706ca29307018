"""The noise: one uniform number for every colour variable, a pure function of (seed, sample, y, x, colour).

Philox4x64-10, key = (seed, sample), counter = (x, y, of_small): one block of four words a pixel, one word a colour.
Nothing else goes in: a pixel draws with the same number in any batch, order, process or attempt. NumPy promises the
streams of its bit generators for good.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model_core.compiled.philox import fill_uniform

WORDS = 4
"""Words in one Philox block: room for the colours of a pixel."""

MEMBER_STAGE, LABEL_STAGE = 2, 3
"""The stage words of the choice of a member and of a label; 0 and 1 are an image's and a small image's."""
PARTICLE_STAGE, CHOICE_STAGE = 1 << 62, 2 << 62
"""Stage words of a completion's particles, and of what chooses among them, begin here; the sweep and the rest follow in
the lower bits."""


def image_noise(
    seed: int,
    sample: int,
    height: int,
    width: int,
    channels: int,
    of_small: bool = False,
) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1) for every variable of one image: (H, W, C).

    of_small: for the first image of a Multi-Scale model, whose noise must not be that of the second.
    """
    return _uniform(seed, sample, int(of_small), height, width, channels)


def chosen_member(seed: int, sample: int, members: int) -> int:
    """The member, of so many, that draws an image: each equally often."""
    if members == 1:
        return 0
    return int(_uniform(seed, sample, MEMBER_STAGE, 1, 1, 1)[0, 0, 0] * members)


def chosen_label(seed: int, sample: int, shares: Sequence[float]) -> int:
    """The label of an image that is asked for without one: each as often as its share says."""
    cumulative = np.cumsum(np.asarray(shares, np.float64))
    uniform = _uniform(seed, sample, LABEL_STAGE, 1, 1, 1)[0, 0, 0]
    return min(
        int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right")),
        len(cumulative) - 1,
    )


def particle_noise(
    seed: int,
    sample: int,
    sweep: int,
    particle: int,
    height: int,
    width: int,
    channels: int,
) -> NDArray[np.float64]:
    """Uniform numbers for every variable of one particle of an image: (H, W, C)."""
    return _uniform(
        seed, sample, PARTICLE_STAGE | sweep << 16 | particle, height, width, channels
    )


def choice_noise(
    seed: int, sample: int, sweep: int, y: int, x: int, count: int
) -> NDArray[np.float64]:
    """Uniform numbers (count,) that choose among an image's particles when they have come to row y, column x."""
    return _uniform(
        seed, sample, CHOICE_STAGE | sweep << 26 | y << 13 | x, 1, count, 1
    )[0, :, 0]


def _uniform(
    seed: int, sample: int, stage: int, height: int, width: int, channels: int
) -> NDArray[np.float64]:
    """(H, W, C) numbers in [0, 1), of the words with this stage."""
    noise = np.empty((height, width, channels))
    fill_uniform(np.uint64(seed), np.uint64(sample), np.uint64(stage), noise)
    return noise
