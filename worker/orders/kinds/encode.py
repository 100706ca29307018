"""Orders for encoding pictures to a file."""

import numpy as np
from numpy.typing import NDArray

from model_core.data.pixels import nearest_values
from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec
from worker.orders.faults import JobRefusedError, not_encodable
from worker.orders.files import FileOrder
from worker.orders.images import requested_label, whole_picture
from worker.orders.order import Material


def build(spec: JobSpec, card: ModelCard, material: Material) -> FileOrder:
    """Return the order for encoding the job's pictures, as values (n, C, H, W).

    Raises JobRefusedError if a picture does not have the job's size, or has a colour
    that is none of the model's, because decoding would not return it unchanged;
    ValueError if the model does not have the label.
    """
    size = len(material.pixels) // spec.n
    parts = [material.pixels[i * size : (i + 1) * size] for i in range(spec.n)]
    images = [_exact(spec, card.levels, pixels, i) for i, pixels in enumerate(parts)]
    label = requested_label(spec, card)
    return FileOrder(
        material.claim,
        spec.model,
        spec.kind,
        np.stack(images),
        card.levels,
        label=label,
    )


def _exact(spec: JobSpec, values: int, pixels: bytes, number: int) -> NDArray[np.uint8]:
    image, moved = nearest_values(whole_picture(spec, pixels), values)
    if moved:
        raise JobRefusedError(
            not_encodable(
                f"Picture {number}, counted from 0, has {moved} pixels of other colours "
                f"than the model's {values} values"
            )
        )
    return image
