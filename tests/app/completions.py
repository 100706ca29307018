"""Completions as the tests of the API ask for them, and a model that offers `posterior`."""

import io
from collections.abc import Mapping

import httpx
import numpy as np
from PIL import Image

from tests.app.hand_worker import GREY
from worker.contract.traits import Method

FOUR = ("none", "flip_top_bottom", "flip_left_right", "rotate_180")
POSTERIOR = GREY.model_copy(
    update={
        "name": "posterior",
        "methods": tuple(Method),
        "max_particles": 64,
        "members": FOUR,
        "title": "PixelCNN",
    }
)
HOLE = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1], [1, 1, 1]], np.uint8)
"""keep (H, W): one pixel is missing."""


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def post(
    client: httpx.Client,
    keep: np.ndarray = HOLE,
    headers: Mapping[str, str] | None = None,
    **fields: object,
):
    files = {"image": png(np.zeros_like(keep)), "mask": png(255 * (1 - keep))}
    data = {
        "model": "posterior",
        **{name: str(value) for name, value in fields.items()},
    }
    return client.post("/complete", files=files, data=data, headers=headers)
