"""Check whether a model drew a picture with a seed, by drawing it again: every pixel
must be the same."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model_core.data.pixels import values_to_pixels
from model_core.image_request import ImageRequest
from model_core.models import Model
from model_core.sampling.offline import draw


def changed_pixels(
    model: Model,
    pixels: NDArray[np.integer],
    samples: Sequence[int],
    seed: int,
    temperature: float,
    labels: Sequence[int | None] = (),
) -> NDArray[np.bool_]:
    """Draw pictures again, and return which of their pixels differ from the result,
    bool (n, H, W). The result means something only for pictures that were drawn with
    this model's `numerics`.

    pixels: bytes 0..255, (n, C, H, W), as a picture file has them, of images or of
        fields (larger pictures).
    samples: the pictures' sample numbers.
    seed, temperature: with which they were drawn.
    labels: for each picture the index of the label with which it was requested, or
        None; empty if there were none.

    Raises ConfigError for a field that the model cannot draw.
    """
    size = pixels.shape[3], pixels.shape[2]  # width, height
    requests = [
        ImageRequest(seed, sample, temperature, label=label)
        for sample, label in zip(samples, labels or [None] * len(samples), strict=True)
    ]
    drawn = draw(model, requests, size=size)
    return (values_to_pixels(drawn.numpy(), model.config.levels) != pixels).any(1)
