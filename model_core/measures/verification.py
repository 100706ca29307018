"""Did this model draw this picture with this seed? It draws the picture again, and every pixel must be the same."""

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
    """Mark where pictures (n, C, H, W), or fields, are not what the model draws as these samples of a seed: (n, H, W).

    A pixel that was changed afterwards is one True. A picture of another seed has many. Only pictures that were drawn
    with this model's numerics can be told. labels: those that they were asked for by, if they were. ways: the options
    with which they were drawn.
    """
    size = pixels.shape[3], pixels.shape[2]
    asked = zip(samples, labels or [None] * len(samples), strict=True)
    drawn = draw(
        model,
        [
            ImageRequest(seed, sample, temperature, label=label, **ways)
            for sample, label in asked
        ],
        size=size,
    )
    return (values_to_pixels(drawn.numpy(), model.config.levels) != pixels).any(1)
