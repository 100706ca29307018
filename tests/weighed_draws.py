"""Images with their probabilities."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from model_core.image_request import ImageRequest
from model_core.models import Model
from model_core.sampling.offline import draw


def draw_weighed(
    model: Model,
    requests: Sequence[ImageRequest],
    size: tuple[int, int] | None = None,
) -> tuple[Tensor, NDArray[np.float64]]:
    """Draw as `draw` does; return the images and ln p of each whole image, (n,)."""
    weighed = [replace(request, weighed=True) for request in requests]
    log_p = np.zeros(len(requests))
    return draw(model, weighed, size=size, log_p=log_p), log_p
