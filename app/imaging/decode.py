"""Decodes untrusted image files, with as little trust as possible.

The bytes decide what a file is, never its name or declared type. Three parsers are
reachable (PNG, JPEG, WebP). The size is checked in the header, before a pixel is
decoded, and any error of a parser becomes one BadUploadError.
"""

import contextlib
import io
import struct
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image, ImageFile, ImageOps, PngImagePlugin

from app.errors import BadUploadError, TooLargeError, UnusableImageError

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_PIXELS = 2048 * 2048
"""Most pixels of an uploaded picture."""
PIXEL_BYTES = 4
"""Bytes of a pixel in memory: Pillow stores colours in words of 32 bits."""
_LARGE_BYTES = 4 * 2**20
"""Files, or pixels, of more bytes are decoded one at a time: Pillow and its libraries
use up to four times as much meanwhile."""
_large = threading.Lock()
_PNG_END = b"IEND\xaeB`\x82"
BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    MemoryError,
    OverflowError,
    LookupError,
    TypeError,
    AttributeError,
)
"""Errors that Pillow's parsers raise for broken data."""
BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)
"""Errors that Pillow raises for pictures with too many pixels."""
_HIGH_BYTES = {
    "I;16": slice(1, None, 2),
    "I;16L": slice(1, None, 2),
    "I;16B": slice(0, None, 2),
}
"""Places of the upper byte of 16-bit grey values, by mode; Pillow's own conversion
would clip such values to white."""

Role = Literal["image", "mask"]

# These limits of Pillow are global: they apply to all code of this process.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
ImageFile.LOAD_TRUNCATED_IMAGES = False
PngImagePlugin.MAX_TEXT_CHUNK = 64 * 1024
PngImagePlugin.MAX_TEXT_MEMORY = 256 * 1024


@dataclass(frozen=True)
class Decoded:
    """An upright picture of mode L, LA, RGB or RGBA, with 8 bits per colour."""

    image: Image.Image
    has_more_bits: bool = False
    """True if its file has colours of more than 8 bits, of which these are the upper
    8."""


def decode(data: bytes, role: Role) -> Decoded:
    """Decode an uploaded picture and turn it upright.

    role: what messages call it.

    Raises BadUploadError if it cannot be read, TooLargeError for more than MAX_PIXELS,
    and UnusableImageError if it is animated or has an unsupported mode.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_header(image, role)
            if image.format == "PNG" and _PNG_END not in data:
                raise BadUploadError(
                    f"the {role} is cut off: the end of its PNG data is missing"
                )
            has_more_bits = ";16" in str(image.tile)
            with one_large_at_a_time(image.width * image.height * PIXEL_BYTES):
                return Decoded(_upright(image, role, has_more_bits), has_more_bits)
    except BOMB:
        raise _too_many_pixels(role) from None
    except BROKEN:
        raise BadUploadError(
            f"the {role} is not a readable {', '.join(FORMATS)} file; save it as one "
            "of these"
        ) from None


def decoded_size(files: Iterable[bytes]) -> int:
    """Return the bytes of memory for the decoded pixels of all these uploads together,
    judged by their headers.

    For more than two pictures of MAX_PIXELS it returns the bytes of two, because
    `read_given` refuses more. Arrays, and files that `decode` refuses, count with their
    own length.
    """
    sizes = (_pixels_by_header(data) * PIXEL_BYTES or len(data) for data in files)
    return min(sum(sizes), 2 * MAX_PIXELS * PIXEL_BYTES)


def _pixels_by_header(data: bytes) -> int:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            pixels = image.width * image.height
    except (*BROKEN, *BOMB):
        return 0
    return pixels if pixels <= MAX_PIXELS else 0


@contextlib.contextmanager
def one_large_at_a_time(size: int) -> Iterator[None]:
    """Context manager that waits until no other thread decodes a large picture, if this
    one is large.

    size: bytes of the file, or of its pixels.
    """
    with _large if size > _LARGE_BYTES else contextlib.nullcontext():
        yield


def _upright(image: Image.Image, role: Role, has_more_bits: bool) -> Image.Image:
    """Decode an open picture, and turn it as its camera recorded.

    has_more_bits: see Decoded.
    """
    image.load()
    # The transparent colour has 16 bits and the decoded pixels the upper 8: other
    # pixels would be transparent.
    if has_more_bits and "transparency" in image.info:
        raise UnusableImageError(
            f"the {role} has 16 bits and a transparent colour; save it with 8 bits"
        )
    if image.mode == "P" and _largest(image) >= len(image.getpalette() or ()) // 3:
        raise BadUploadError(
            f"the {role} has a pixel whose index is beyond its palette"
        )
    # Pillow would write the EXIF data anew, which fails for some that cameras write.
    image.getexif()
    for place in ("exif", "Raw profile type exif"):
        image.info.pop(place, None)
    ImageOps.exif_transpose(image, in_place=True)
    return _eight_bits(image, role)


def _check_header(image: Image.Image, role: Role) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _too_many_pixels(role)
    # The pictures of an MPO file are no frames (see `format_of`).
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if frames != 1:
        raise UnusableImageError(
            f"the {role} has {frames} frames: expected a single picture"
        )


def format_of(image: Image.Image) -> str:
    """Return Pillow's name of an open picture's format; empty for a picture that was
    not opened from a file. An MPO file counts as JPEG: many phones append previews or a
    depth map to a JPEG file, whose first picture is the photograph."""
    return "JPEG" if image.format == "MPO" else image.format or ""


def _largest(image: Image.Image) -> int:
    extremes: Any = image.getextrema()
    return extremes[1]


def _too_many_pixels(role: Role) -> TooLargeError:
    return TooLargeError(
        f"the {role} has too many pixels; make it smaller: at most 2048 x 2048"
    )


def _eight_bits(image: Image.Image, role: Role) -> Image.Image:
    """Return a copy of mode L, LA, RGB or RGBA: palettes and transparent colours are
    resolved, and of 16 bits the upper 8 are kept."""
    if image.mode in _HIGH_BYTES:
        return Image.frombytes(
            "L", image.size, image.tobytes()[_HIGH_BYTES[image.mode]]
        )
    if image.mode in ("L", "LA", "RGB", "RGBA") and "transparency" not in image.info:
        return image.copy()
    if image.mode == "1" or image.mode == "L":
        return image.convert("LA" if "transparency" in image.info else "L")
    if image.mode in ("RGB", "P", "PA", "La", "RGBa"):
        return image.convert("RGBA")
    if image.mode in ("CMYK", "YCbCr", "HSV", "LAB"):
        image.info.pop("icc_profile", None)  # it describes the old colours
        return image.convert("RGB")
    raise UnusableImageError(
        f"the {role} has pixels of the unusual kind {image.mode}; "
        "save it as 8-bit grey or colour"
    )
