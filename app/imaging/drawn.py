"""A drawn sample that a client hands in again: how it was drawn, and its pixels."""

from collections.abc import Callable
from typing import TypeVar

from PIL import Image, ImageChops

from app.errors import (
    BadUploadError,
    NotVerifiableError,
    TooLargeError,
    UnusableImageError,
    WrongSizeError,
)
from app.imaging.arrays import Shape
from app.imaging.decode import (
    BOMB,
    BROKEN,
    MAX_PIXELS,
    PIXEL_BYTES,
    one_large_at_a_time,
)
from app.imaging.palette import palette_values
from worker.contract.drawn_picture import DrawnPicture, NotPngError
from worker.contract.provenance import Provenance, ProvenanceError

_Found = TypeVar("_Found")


def read_provenance(data: bytes) -> Provenance:
    """Return what the text of a PNG says about how it was drawn.

    Raises BadUploadError if the file is no complete PNG, and NotVerifiableError if it
    is not a sample of this project, shows several, or was changed.
    """
    provenance = _refusing(lambda: Provenance.of(DrawnPicture.of(data).text))
    if provenance.samples != 1:
        raise NotVerifiableError(
            "the picture shows several samples: "
            "expected one, such as /jobs/{id}/image?sample=0"
        )
    return provenance


def drawn_pixels(data: bytes, shape: Shape) -> bytes:
    """Return the pixels, or values of the palette, of the PNG of one sample, in which
    each pixel may be a square.

    Raises WrongSizeError, NotVerifiableError if another program changed it, and
    TooLargeError or BadUploadError as `decode` does.
    """
    picture = _refusing(lambda: DrawnPicture.of(data))
    size = picture.width, picture.height
    scale = picture.width // shape.width
    if not scale or size != (scale * shape.width, scale * shape.height):
        raise WrongSizeError(
            f"the image is {picture.width}x{picture.height} (width x height), expected "
            f"{shape.width}x{shape.height} or a multiple of that, as it was written"
        )
    pixels = picture.width * picture.height
    if pixels > MAX_PIXELS:
        raise TooLargeError("the image has too many pixels: at most 2048 x 2048")
    channels = 4 if shape.palette else shape.channels
    with one_large_at_a_time(pixels * PIXEL_BYTES):
        image = _refusing(lambda: picture.pixels(channels))
        small = image.resize(shape.size, Image.Resampling.NEAREST)
        differs = ImageChops.difference(
            image, small.resize(size, Image.Resampling.NEAREST)
        ).getbbox(alpha_only=False)
    if differs is not None:
        x, y = differs[0] // scale, differs[1] // scale
        raise NotVerifiableError(
            f"the image was changed: pixel ({x}, {y}) is no square of one colour any more"
        )
    if not shape.palette:
        return small.tobytes()
    try:
        return palette_values(small, shape.palette, nearest=False).values
    except UnusableImageError as error:
        raise NotVerifiableError(str(error)) from None


def _refusing(read: Callable[[], _Found]) -> _Found:
    """Return what `read` finds in a file, with the errors of this API."""
    try:
        return read()
    except NotPngError as error:
        raise BadUploadError(
            f"the image cannot be read: {error}; expected a sample as it was written"
        ) from None
    except ProvenanceError as error:
        raise NotVerifiableError(str(error)) from None
    except (*BROKEN, *BOMB):
        raise BadUploadError(
            "the image is not a readable PNG file: expected a sample as it was written"
        ) from None
