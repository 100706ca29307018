"""Rows of an image that is published whole."""

import numpy as np
from numpy.typing import NDArray

from worker.engine.activities.activity import Surroundings
from worker.orders.files import FileOrder
from worker.orders.images import row_pixels
from worker.orders.kinds.complete import ParticleOrder


def hand_on_image(
    around: Surroundings,
    order: ParticleOrder | FileOrder,
    sample: int,
    image: NDArray[np.integer],
) -> None:
    """Whole, but for the rows that an earlier attempt published."""
    rows = image.transpose(1, 0, 2)  # (H, C, W)
    new = [
        (sample, y, row_pixels(row, order.values), False) for y, row in enumerate(rows)
    ]
    published = (
        order.published[sample] if order.published else len(new)
    )  # without samples the image is for nobody
    if left := new[published:]:
        around.outlet.publish({order.claim.token: left})
