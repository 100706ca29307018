"""How many bits an image of some source contains: an upper bound on the source's
entropy, with its uncertainty.

The mean of -log2 p over images of the source is the cross-entropy of the source and the
model: the source's entropy plus the Kullback-Leibler divergence of the model from the
source, which is never negative. It equals the entropy if the images were drawn by the
model, and is an upper bound otherwise. The model must not have been trained on the
images.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_core.errors import DataError

Z95 = 1.959964
"""Standard deviations to each side of the mean that contain 95 % of a normal
distribution."""
LEAST = 2
"""Minimum number of images of an interval."""
_SHUFFLE = 2016  # seed of the order of the images


@dataclass(frozen=True)
class Entropy:
    """The mean of -log2 p over the first `images` images of a random order, in bits per
    image, with its 95 % interval. `entropies` makes it.

    images: number of images.
    bits: the mean.
    low, high: the ends of the interval.
    """

    images: int
    bits: float
    low: float
    high: float


def entropies(log_p: NDArray[np.float64]) -> list[Entropy]:
    """Return entropies after 16, 32, 64, ... images, and last after all of them, given
    ln p of each image under the model, in nats (N,).

    The images are shuffled with a fixed seed. The interval is that of the mean of
    independent images, with a normal distribution; it is too narrow for very few
    images.

    Raises DataError for fewer than two images.
    """
    if len(log_p) < LEAST:
        raise DataError(
            f"an interval needs at least {LEAST} images, and there is {len(log_p)}"
        )
    # A folder may be sorted.
    bits = np.random.default_rng(_SHUFFLE).permutation(-log_p / math.log(2))
    counts = [16 << k for k in range(60) if 16 << k < len(bits)]
    return [_entropy(bits[:count]) for count in (*counts, len(bits))]


def _entropy(bits: NDArray[np.float64]) -> Entropy:
    mean = float(bits.mean())
    error = float(bits.std(ddof=1)) / math.sqrt(len(bits))
    return Entropy(len(bits), mean, mean - Z95 * error, mean + Z95 * error)
