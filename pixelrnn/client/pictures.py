"""Pictures as numpy and Pillow have them, those that are handed in and those that were drawn. Neither is needed for
anything else here."""

import io
import sys
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union, cast

from pixelrnn.client import documents
from pixelrnn.client.errors import ServiceError
from pixelrnn.client.feed import Row

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

Picture = Union[bytes, str, PathLike[str], "np.ndarray", "Image.Image"]
"""An image file: its bytes, or where it is. An image of Pillow's. Or an array: pixels (H, W, C) of bytes 0..255, as
`Job.array` gives them, if it is of uint8, its last axis is 1 or 3 and its first is neither; every other array is the
model's values (C, H, W), as `Job.values` gives them."""

Several = list[Any] | tuple[Any, ...]
"""Several pictures, each in any of these ways."""

FORMATS = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".webp": "webp",
    ".npy": "npy",
    ".zip": "zip",
}
"""Formats that a job's picture is kept in, by the ending of the file's name."""
_COLOURS = 1, 3
_MODES_OF_PNG = "1", "L", "LA", "P", "RGB", "RGBA", "I;16"


def format_of(path: Path | str) -> str:
    """The format that the name of a file ends in. Raises ValueError for another ending."""
    try:
        return FORMATS[Path(path).suffix.lower()]
    except KeyError:
        raise ValueError(
            f"cannot write {path}: expected a name that ends in {', '.join(FORMATS)}"
        ) from None


def file_of(picture: Picture) -> bytes:
    """The bytes to send. Raises OSError for a file that cannot be read, ValueError for an array of objects."""
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str | PathLike):
        return Path(picture).read_bytes()
    pillow = sys.modules.get(
        "PIL.Image"
    )  # whoever hands in an image of Pillow's has loaded it
    if pillow is not None and isinstance(picture, pillow.Image):
        return _png_file(cast("Image.Image", picture))
    return _file_of_array(picture)


def _file_of_array(given: Any) -> bytes:
    import numpy as np

    array = np.ascontiguousarray(given)
    is_bytes = array.dtype == np.uint8 and array.ndim == 3
    if is_bytes and array.shape[2] in _COLOURS and array.shape[0] not in _COLOURS:
        return _png_file(pictures_of(array[None])[0])
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _png_file(image: "Image.Image") -> bytes:
    file = io.BytesIO()
    image = (
        image
        if image.mode in _MODES_OF_PNG
        else image.convert("RGBA" if image.has_transparency_data else "RGB")
    )
    image.save(file, "PNG")
    return file.getvalue()


def values_of(file: bytes) -> "np.ndarray":
    """The array of a file as the service writes it."""
    import numpy as np

    return np.load(io.BytesIO(file), allow_pickle=False)


def array_of(state: documents.Job, rows: list[Row]) -> "np.ndarray":
    """Bytes 0..255 of shape (n, height, width, channels). Raises ServiceError for a job that draws no such images."""
    import numpy as np

    if state.get("cutouts"):
        raise ServiceError(
            f"job {state['id']} fills holes of a larger picture: `image()` and `save()` have it whole"
        )
    drawn = {(row.sample, row.y): row.pixels for row in rows if row.stage == "final"}
    n, height, width = state["n"], state["height"], state["width"]
    if len(drawn) != n * height:
        raise ServiceError(
            f"job {state['id']} has no images: it is a job of {state['kind']}"
        )
    pixels = b"".join(drawn[sample, y] for sample in range(n) for y in range(height))
    return np.frombuffer(pixels, np.uint8).reshape(n, height, width, state["channels"])


def pictures_of(
    array: "np.ndarray", palette: Sequence[str] = ()
) -> "list[Image.Image]":
    """Each image of an array as array_of gives it, grey, in RGB, or in the colours of a palette, with opacity."""
    from PIL import Image

    if palette:
        import numpy as np

        colours = np.array(
            [[*bytes.fromhex(f"{colour[1:]:f<8}")] for colour in palette], np.uint8
        )
        return [Image.fromarray(colours[pixels[..., 0]]) for pixels in array]
    return [
        Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        for pixels in array
    ]
