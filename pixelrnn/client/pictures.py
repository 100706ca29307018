"""Rows put together: a job's images as numpy has them, or Pillow. Neither is needed for anything else here."""

from typing import TYPE_CHECKING

from pixelrnn.client import documents
from pixelrnn.client.errors import ServiceError
from pixelrnn.client.feed import Row

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image


def array_of(state: documents.Job, rows: list[Row]) -> "np.ndarray":
    """Bytes 0..255 of shape (n, height, width, channels). Raises ServiceError for a job that draws no images."""
    import numpy as np

    drawn = {(row.sample, row.y): row.pixels for row in rows if row.stage == "final"}
    n, height, width = state["n"], state["height"], state["width"]
    if len(drawn) != n * height:
        raise ServiceError(f"job {state['id']} has no images: it is a job of {state['kind']}")
    pixels = b"".join(drawn[sample, y] for sample in range(n) for y in range(height))
    return np.frombuffer(pixels, np.uint8).reshape(n, height, width, state["channels"])


def pictures_of(array: "np.ndarray") -> "list[Image.Image]":
    """Each image of an array as array_of gives it, grey or in RGB."""
    from PIL import Image

    return [Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels) for pixels in array]
