"""Whether images are natural: photographs, and not drawings, digits or noise-free graphics."""

import numpy as np

from model_core.data.splits import Values, spread

_SAMPLE = 1000
# The entropy of the step from one pixel to the next: 6.1 bits on CIFAR-10, 2.2 on 8-bit MNIST.
_NATURAL_BITS = 4.0


def looks_natural(values: Values, levels: int) -> bool:
    """Whether 8-bit colour images (N, C, H, W) change from pixel to pixel as photographs do."""
    return levels == 256 and values.shape[1] == 3 and difference_bits(values) >= _NATURAL_BITS


def difference_bits(values: Values) -> float:
    """Entropy, in bits, of the differences between horizontal neighbours modulo 256."""
    some = spread(values, _SAMPLE)
    differences = some[..., 1:] - some[..., :-1]
    counts = np.bincount(differences.ravel(), minlength=256)
    shares = counts[counts > 0] / max(1, differences.size)
    return float(-(shares * np.log2(shares)).sum())
