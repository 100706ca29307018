"""Pictures as arrays of a model's values: one picture is (C, H, W), several are (n, C,
H, W)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from app.errors import UnusableImageError, WrongSizeError
from app.imaging.decode import Decoded, Role, decode
from app.imaging.npy import Array, is_array, npy_file, read_array
from app.schema.answers import Model
from worker.contract.colours import levels
from worker.contract.picture_file import with_palette
from worker.contract.size import MAX_SIDE

_PLANE, _ONE, _SEVERAL = 2, 3, 4
"""Dimensions of one colour of a picture, of a picture, and of several."""
_BYTES = 256
_DARK = 128
"""An array whose numbers are all below this one may have values or dark pixels."""


@dataclass(frozen=True)
class Shape:
    """Size and values of a model's pictures."""

    height: int
    width: int
    channels: int
    """1 = grey, 3 = red, green and blue."""
    values: int
    """Number of values of a colour."""
    palette: Sequence[str] = ()
    """The colour of each value, for a model whose values are categories: bytes are then
    values. Empty for others."""

    @classmethod
    def of(cls, model: Model) -> "Shape":
        """Return the shape of the images that a model draws."""
        return cls(
            model.height, model.width, model.channels, model.values, model.palette
        )

    @property
    def levels(self) -> int:
        """Number of different values of a byte."""
        return levels(self.values, self.palette)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), in Pillow's order."""
        return self.width, self.height


def count_of(file: bytes) -> int:
    """Return the number of pictures in a file: n for an array (n, C, H, W), else 1.

    Raises BadUploadError or UnusableImageError if an array cannot be read.
    """
    shape = read_array(file).shape if is_array(file) else ()
    return shape[0] if len(shape) == _SEVERAL else 1


def size_of(file: bytes) -> str:
    """Return the size of a file's pictures as WIDTHxHEIGHT.

    Raises WrongSizeError if a side is 0 or exceeds MAX_SIDE, and another RefusedError
    if the file cannot be read.
    """
    if is_array(file):
        shape = read_array(file).shape
        if len(shape) < _PLANE:
            raise WrongSizeError(
                "the image is an array of another shape: expected (C, H, W)"
            )
        height, width = shape[-_PLANE:]
    else:
        width, height = decode(file, "image").image.size
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise WrongSizeError(
            f"the image is {width}x{height} (width x height): expected at most "
            f"{MAX_SIDE} in each direction"
        )
    return f"{width}x{height}"


def pictures_of(
    file: bytes, role: Role, shape: Shape, may_have_holes: bool = False
) -> Iterator[Decoded]:
    """Yield the pictures of an image file, or of an array of the shape's values, one at
    a time. An array of uint8 counts as pixels, 0 to 255, if a number exceeds 127 and is
    no value, unless values are categories.

    role: what messages call the file.
    may_have_holes: True if an array may contain negative numbers; these pixels become
        transparent.

    Raises WrongSizeError for an array of another shape, and another RefusedError for a
    file that cannot be used.
    """
    if not is_array(file):
        yield decode(file, role)
        return
    array = read_array(file)
    _expect_shape(array, role, shape)
    size = shape.channels * shape.height * shape.width
    if _has_pixels(array, shape):
        shape = replace(shape, values=_BYTES)
    for at in range(0, len(array.numbers), size):
        numbers = array.numbers[at : at + size].tolist()
        _expect_values(numbers, role, shape, may_have_holes)
        yield Decoded(_picture(numbers, shape))


def _has_pixels(array: Array, shape: Shape) -> bool:
    most = max(array.numbers)
    is_bytes = array.numbers.typecode == "B"
    return is_bytes and not shape.palette and most >= max(shape.values, _DARK)


def _expect_shape(array: Array, role: Role, shape: Shape) -> None:
    """Raise WrongSizeError for an array of another shape. A picture of one colour may
    be (H, W)."""
    one = shape.channels, shape.height, shape.width
    found = array.shape if len(array.shape) >= _ONE else (1, *array.shape)
    if found[-_ONE:] != one or len(found) > _SEVERAL or not found[0]:
        raise WrongSizeError(
            f"the {role} is an array of another shape: expected {one}, "
            "or (n, ...) for several"
        )


def _expect_values(
    numbers: list[int], role: Role, shape: Shape, may_have_holes: bool
) -> None:
    if max(numbers) >= shape.values or (min(numbers) < 0 and not may_have_holes):
        or_negative = ", or negative ones to fill" if may_have_holes else ""
        or_pixels = ", or an array of uint8 with pixels from 0 to 255, one of them "
        raise UnusableImageError(
            f"the {role}: expected whole numbers from 0 to {shape.values - 1}"
            f"{or_negative}" + ("" if shape.palette else f"{or_pixels}above 127")
        )


def _picture(numbers: list[int], shape: Shape) -> Image.Image:
    """Return the picture of values (C, H, W); a pixel with a negative number is
    transparent."""
    values = bytes(max(0, number) for number in numbers)
    pixels = values.translate(_pixel_of_value(shape.levels))
    image = Image.frombytes(
        "L" if shape.channels == 1 else "RGB",
        shape.size,
        _interleaved(pixels, shape.channels),
    )
    if shape.palette:
        image = with_palette(image, shape.palette).convert("RGBA")
    if min(numbers) < 0:
        places = shape.height * shape.width
        opaque = bytes(255 * (min(numbers[i::places]) >= 0) for i in range(places))
        image.putalpha(Image.frombytes("L", shape.size, opaque))
    return image


def array_file(pictures: Mapping[int, bytes], count: int, shape: Shape) -> bytes:
    """Return a .npy file of pictures, as an array (count, C, H, W) of values.

    pictures: index -> H*W*C bytes, which are rounded to the nearest values. Missing
        pictures are 0.
    """
    missing = bytes(shape.height * shape.width * shape.channels)
    pixels = b"".join(
        _planes(pictures.get(i, missing), shape.channels) for i in range(count)
    )
    return npy_file(
        (count, shape.channels, shape.height, shape.width),
        pixels.translate(_value_of_pixel(shape.levels)),
    )


def quantise_pixels(pixels: bytes, values: int) -> bytes:
    """Return pixel bytes, each moved to the nearest one that stands for one of `values`
    values."""
    return pixels.translate(_value_of_pixel(values)).translate(_pixel_of_value(values))


def _planes(pixels: bytes, channels: int) -> bytes:
    """Return bytes (H, W, C) in the order (C, H, W)."""
    return b"".join(pixels[colour::channels] for colour in range(channels))


def _interleaved(pixels: bytes, channels: int) -> bytes:
    """Return bytes (C, H, W) in the order (H, W, C)."""
    size = len(pixels) // channels
    turned = bytearray(len(pixels))
    for colour in range(channels):
        turned[colour::channels] = pixels[colour * size : (colour + 1) * size]
    return bytes(turned)


def _pixel_of_value(values: int) -> bytes:
    """Return a table for bytes.translate: value -> pixel byte, as
    model_core.data.pixels computes it."""
    return bytes(
        (value * 255 + (values - 1) // 2) // (values - 1) for value in range(values)
    ).ljust(256, b"\0")


def _value_of_pixel(values: int) -> bytes:
    """Return a table for bytes.translate: pixel byte -> nearest value, as
    model_core.data.pixels computes it."""
    return bytes((pixel * (values - 1) + 127) // 255 for pixel in range(256))
