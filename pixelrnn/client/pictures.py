"""Pictures of numpy and Pillow, to send and as results. Nothing else in this package
needs either of them."""

import io
import sys
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Union, cast

from pixelrnn.client import documents
from pixelrnn.client.errors import ServiceError
from pixelrnn.client.feed import Row

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

Picture = Union[bytes, str, PathLike[str], IO[bytes], "np.ndarray", "Image.Image"]
"""An image file, as its bytes, its path, or open for reading; a Pillow image; or an
array. An array of uint8 whose last axis is 1 or 3, and whose first axis is neither, is
pixels (H, W, C), bytes 0..255, like those of `Job.array`. Every other array is (C, H,
W), or (H, W) in grey: pixels if it is of uint8 and a number above 127 is no value of
the model, else the model's values, like those of `Job.values`."""

Several = list[Any] | tuple[Any, ...]
"""Several pictures, each of any of these types."""

FORMATS = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".webp": "webp",
    ".npy": "npy",
    ".zip": "zip",
}
"""Format of a job's picture, by the suffix of the file name."""
_COLOURS = 1, 3
_MODES_OF_PNG = "1", "L", "LA", "P", "RGB", "RGBA", "I;16"
"""Pillow's modes that a PNG can have."""


def format_of(path: Path | str) -> str:
    """Return the format of a file name's suffix. Raise ValueError for an unknown
    one."""
    try:
        return FORMATS[Path(path).suffix.lower()]
    except KeyError:
        raise ValueError(
            f"cannot write {path}: expected a name that ends in {', '.join(FORMATS)}"
        ) from None


def file_of(picture: Picture) -> bytes:
    """Return the bytes to send for a picture: a file unchanged, a Pillow image as PNG,
    an array as PNG if it is pixels, otherwise as .npy. Raises OSError if a file cannot
    be read."""
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str | PathLike):
        return Path(picture).read_bytes()
    if hasattr(picture, "read"):
        return cast(IO[bytes], picture).read()
    # If the picture is a Pillow image, the caller has imported Pillow.
    pillow = sys.modules.get("PIL.Image")
    if pillow is not None and isinstance(picture, pillow.Image):
        return _png_file(cast("Image.Image", picture))
    return _file_of_array(picture)


def _file_of_array(picture: Any) -> bytes:
    """Return an array as a PNG if it is pixels, otherwise as .npy."""
    import numpy as np

    array = np.ascontiguousarray(picture)
    is_bytes = array.dtype == np.uint8 and array.ndim == 3
    if is_bytes and array.shape[2] in _COLOURS and array.shape[0] not in _COLOURS:
        return _png_file(pictures_of(array[None])[0])
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _png_file(image: "Image.Image") -> bytes:
    if image.mode not in _MODES_OF_PNG:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def values_of(file: bytes) -> "np.ndarray":
    """Return the array in a .npy file of the service, given its bytes. Raises
    ValueError for other bytes."""
    import numpy as np

    return np.load(io.BytesIO(file), allow_pickle=False)


def array_of(state: documents.Job, rows: list[Row]) -> "np.ndarray":
    """Return the images of a job as bytes 0..255, (n, height, width, channels). Raise
    ServiceError if the job draws no images of the model's size.

    state: the job's document.
    rows: all rows of the job.
    """
    import numpy as np

    if state.get("cutouts"):
        raise ServiceError(
            f"job {state['id']} fills holes of a larger picture: `image()` and "
            "`save()` have it whole"
        )
    by_place = {(row.sample, row.y): row.pixels for row in rows if row.stage == "final"}
    n = state["n"]
    height = state["height"]
    width = state["width"]
    if len(by_place) != n * height:
        raise ServiceError(
            f"job {state['id']} has no images: it is a job of {state['kind']}"
        )
    pixels = b"".join(by_place[sample, y] for sample in range(n) for y in range(height))
    return np.frombuffer(pixels, np.uint8).reshape(n, height, width, state["channels"])


def pictures_of(
    array: "np.ndarray", palette: Sequence[str] = ()
) -> "list[Image.Image]":
    """Return images as Pillow images: grey, RGB, or RGBA in the colours of the palette.

    array: as `array_of` returns it.
    palette: the colours of the values, #rrggbb or #rrggbbaa; empty without categories.
    """
    from PIL import Image

    if palette:
        import numpy as np

        # A colour without opacity is opaque: #rrggbb becomes rrggbbff.
        colours = np.array(
            [[*bytes.fromhex(f"{colour[1:]:f<8}")] for colour in palette], np.uint8
        )
        return [Image.fromarray(colours[pixels[..., 0]]) for pixels in array]
    return [
        Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        for pixels in array
    ]
