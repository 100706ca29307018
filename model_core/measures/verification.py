"""Check whether a model drew a picture with a seed, by drawing it again: every pixel
must be the same."""

from collections.abc import Sequence
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from model_core.data.pixels import values_to_pixels
from model_core.image_request import ImageRequest, Ways
from model_core.models import Model
from model_core.sampling.offline import draw


def changed_pixels(
    model: Model,
    pixels: NDArray[np.integer],
    samples: Sequence[int],
    seed: int,
    temperature: float,
    labels: Sequence[int | None] = (),
    **ways: Unpack[Ways],
) -> NDArray[np.bool_]:
    """Return which pixels of pictures or fields (n, C, H, W) differ from what the model
    draws, bool (n, H, W).

    samples: the pictures' sample numbers of the seed. labels: the labels that they were
        requested with, by index; empty if there were none. ways: the other options of
        their drawing.

    A pixel that was edited later is True. A picture of another seed has many. The
    result is meaningful only for pictures that were drawn with this model's numerics.
    """
    size = pixels.shape[3], pixels.shape[2]  # width, height
    requests = [
        ImageRequest(seed, sample, temperature, label=label, **ways)
        for sample, label in zip(samples, labels or [None] * len(samples), strict=True)
    ]
    drawn = draw(model, requests, size=size)
    return (values_to_pixels(drawn.numpy(), model.config.levels) != pixels).any(1)
