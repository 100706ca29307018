"""Some pictures, which become a file."""

import numpy as np
from numpy.typing import NDArray

from model_core.data.pixels import nearest_values
from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec
from worker.orders.faults import JobRefusedError, not_encodable
from worker.orders.files import FileOrder
from worker.orders.images import asked_label, whole_picture
from worker.orders.order import Material


def build(spec: JobSpec, card: ModelCard, material: Material) -> FileOrder:
    """The pictures as values (n, C, H, W). JobRefusedError when they do not fit, and for a colour that is none of the
    model's: its picture would not come back as it is."""
    size = len(material.pixels) // spec.n
    parts = [material.pixels[i * size : (i + 1) * size] for i in range(spec.n)]
    images = [_exact(spec, card.levels, pixels, i) for i, pixels in enumerate(parts)]
    label = asked_label(spec, card)
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
        why = f"Picture {number}, counted from 0, has {moved} pixels of other colours than the model's {values} values"
        raise JobRefusedError(not_encodable(why))
    return image
