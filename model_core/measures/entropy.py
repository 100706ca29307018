"""How many bits an image of some source holds: an upper bound on the source's entropy, with its uncertainty.

The mean of -log2 p over images of the source is its cross-entropy with the model: the entropy itself, plus how far the
model is from the source (the Kullback-Leibler divergence, never negative). So it is the entropy where the images are
the model's own, and an upper bound elsewhere. The images must not have been trained on.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_core.errors import DataError

Z95 = 1.959964
"""95% of a normal distribution lie within so many standard deviations."""
LEAST = 2
_SHUFFLE = 2016


@dataclass(frozen=True)
class Entropy:
    """Bits an image of the first `images` in a random order: their mean, and the ends of its 95% interval."""

    images: int
    bits: float
    low: float
    high: float


def entropies(log_p: NDArray[np.float64]) -> list[Entropy]:
    """Entropies from ln p of each image (N,): after 16, 32, 64, ... images, and last of all. The order is shuffled: a
    folder may be sorted. The interval is that of a mean of independent images (normal; of very few images it is too
    narrow).

    Raises DataError for fewer than two images.
    """
    if len(log_p) < LEAST:
        raise DataError(
            f"an interval needs at least {LEAST} images, and there is {len(log_p)}"
        )
    bits = np.random.default_rng(_SHUFFLE).permutation(-log_p / math.log(2))
    counts = [16 << k for k in range(60) if 16 << k < len(bits)]
    return [_entropy(bits[:count]) for count in (*counts, len(bits))]


def _entropy(bits: NDArray[np.float64]) -> Entropy:
    mean, error = float(bits.mean()), float(bits.std(ddof=1)) / math.sqrt(len(bits))
    return Entropy(len(bits), mean, mean - Z95 * error, mean + Z95 * error)
