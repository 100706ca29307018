"""The noise of drawing: one uniform number for each colour variable, a pure function of
seed, sample number, y, x and colour.

Philox4x64-10 with the key (seed, sample) and the counter (x, y, stage): each pixel has
one block of four words, and each colour one word. Nothing else enters, so a pixel is
drawn with the same number in any batch, order, process or attempt. NumPy promises that
the streams of its bit generators will not change.

The stage word separates the uses of the noise: 0 is an image, 1 the small image of a
Multi-Scale model, and the constants below are the others.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model_core.compiled.philox import fill_uniform

WORDS = 4
"""Words in one Philox block, one for each colour of a pixel."""

MEMBER_STAGE, LABEL_STAGE = 2, 3
"""Stage words of the choice of a member and of a label."""
PARTICLE_STAGE, CHOICE_STAGE = 1 << 62, 2 << 62
"""The stage words of a completion's particles, and of the choices among them, begin
here; the lower bits hold the sweep and the rest."""


def image_noise(
    seed: int,
    sample: int,
    height: int,
    width: int,
    channels: int,
    of_small: bool = False,
) -> NDArray[np.float64]:
    """Return uniform numbers in [0, 1) for every variable of one image, (H, W, C).

    seed, sample: 0 to 2^64 - 1; OverflowError otherwise. The result depends on nothing
        but these and the position: a smaller image has a part of a larger one's
        numbers.
    channels: C, at most 4.
    of_small: True for the small image of a Multi-Scale model, whose noise must differ
        from that of the large one.
    """
    return _uniform(seed, sample, int(of_small), height, width, channels)


def chosen_member(seed: int, sample: int, members: int) -> int:
    """Return the index of the member, in 0..members-1, that draws an image; each has
    the same probability. It depends only on seed and sample, 0 to 2^64 - 1."""
    if members == 1:
        return 0
    return int(_uniform(seed, sample, MEMBER_STAGE, 1, 1, 1)[0, 0, 0] * members)


def chosen_label(seed: int, sample: int, shares: Sequence[float]) -> int:
    """Return the index of the label of an image that is requested without one; label i
    has probability shares[i] / sum(shares).

    seed, sample: of the image, 0 to 2^64 - 1.
    shares: not negative, at least one above 0.
    """
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
    """Return uniform numbers in [0, 1) for every variable of one particle (one of the
    unfinished images that are drawn side by side for a completion), (H, W, C).

    seed, sample: of the completed image, 0 to 2^64 - 1.
    sweep: number of the pass over the image, below 2^46.
    particle: number of the particle, below 65,536.
    channels: C, at most 4.
    """
    return _uniform(
        seed, sample, PARTICLE_STAGE | sweep << 16 | particle, height, width, channels
    )


def choice_noise(
    seed: int, sample: int, sweep: int, y: int, x: int, count: int
) -> NDArray[np.float64]:
    """Return uniform numbers in [0, 1), (count,), that choose among an image's
    particles (unfinished images that are drawn side by side) when these have reached
    row y, column x.

    seed, sample: 0 to 2^64 - 1.
    sweep: number of the pass over the image, below 2^37.
    y, x: below 8192.
    """
    return _uniform(
        seed, sample, CHOICE_STAGE | sweep << 26 | y << 13 | x, 1, count, 1
    )[0, :, 0]


def _uniform(
    seed: int, sample: int, stage: int, height: int, width: int, channels: int
) -> NDArray[np.float64]:
    """Return numbers (H, W, C) in [0, 1) made of the words of one stage."""
    noise = np.empty((height, width, channels))
    fill_uniform(np.uint64(seed), np.uint64(sample), np.uint64(stage), noise)
    return noise
