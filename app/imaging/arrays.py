"""Pictures as arrays of a model's values: one is (C, H, W), several are (n, C, H, W)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from app.errors import UnusableImageError, WrongSizeError
from app.imaging.decode import Decoded, Role, decode
from app.imaging.npy import Array, is_array, read_array, written
from app.imaging.palette import indexed
from app.schema.answers import Model
from worker.contract.colours import levels
from worker.contract.size import MAX_SIDE

_ONE, _SEVERAL = 3, 4
"""Dimensions."""


@dataclass(frozen=True)
class Shape:
    height: int
    width: int
    channels: int
    values: int
    """How many a colour takes."""
    palette: Sequence[str] = ()
    """The colours of the values, of a model of categories; its bytes are values."""

    @classmethod
    def of(cls, model: Model) -> "Shape":
        """The shape of the images which a model draws."""
        return cls(
            model.height, model.width, model.channels, model.values, model.palette
        )

    @property
    def levels(self) -> int:
        """Numbers that a byte tells apart."""
        return levels(self.values, self.palette)

    @property
    def size(self) -> tuple[int, int]:
        """Pillow's order: width first."""
        return self.width, self.height


def count_of(file: bytes) -> int:
    """How many pictures a file holds. Raises what `read_array` raises."""
    shape = read_array(file).shape if is_array(file) else ()
    return shape[0] if len(shape) == _SEVERAL else 1


def size_of(file: bytes) -> str:
    """WIDTHxHEIGHT of a file's pictures. Raises what `decode` and `read_array` raise, and WrongSizeError."""
    height, width = (
        read_array(file).shape[-2:]
        if is_array(file)
        else decode(file, "image").image.size[::-1]
    )
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise WrongSizeError(
            f"the image is {width}x{height} (width x height), expected {MAX_SIDE} at most each way"
        )
    return f"{width}x{height}"


def pictures_of(
    file: bytes, role: Role, shape: Shape, may_have_holes: bool = False
) -> Iterator[Decoded]:
    """The pictures of an image file, or of an array of the values that the shape has, one at a time. Where an array may
    have holes, a pixel with a negative number is transparent.

    Raises what `decode` and `read_array` raise, WrongSizeError and UnusableImageError.
    """
    if not is_array(file):
        yield decode(file, role)
        return
    array = read_array(file)
    _expect_shape(array, role, shape)
    size = shape.channels * shape.height * shape.width
    for at in range(0, len(array.numbers), size):
        numbers = array.numbers[at : at + size].tolist()
        _expect_values(numbers, role, shape, may_have_holes)
        yield Decoded(_picture(numbers, shape))


def _expect_shape(array: Array, role: Role, shape: Shape) -> None:
    """A picture of one colour may be (H, W)."""
    one = shape.channels, shape.height, shape.width
    found = array.shape if len(array.shape) >= _ONE else (1, *array.shape)
    if found[-_ONE:] != one or len(found) > _SEVERAL or not found[0]:
        raise WrongSizeError(
            f"the {role} is an array of another shape: expected {one}, or (n, ...) of several"
        )


def _expect_values(
    numbers: list[int], role: Role, shape: Shape, may_have_holes: bool
) -> None:
    if max(numbers) >= shape.values or (min(numbers) < 0 and not may_have_holes):
        told = ", or negative ones to fill" if may_have_holes else ""
        raise UnusableImageError(
            f"the {role}: expected whole numbers from 0 to {shape.values - 1}{told}"
        )


def _picture(numbers: list[int], shape: Shape) -> Image.Image:
    """The picture of numbers (C, H, W), each one of the values, or negative: there it is transparent."""
    values = bytes(max(0, number) for number in numbers)
    pixels = values.translate(_pixel_of_value(shape.levels))
    image = Image.frombytes(
        "L" if shape.channels == 1 else "RGB",
        shape.size,
        _interleaved(pixels, shape.channels),
    )
    if shape.palette:
        image = indexed(image, shape.palette).convert("RGBA")
    if min(numbers) < 0:
        places = shape.height * shape.width
        opaque = bytes(255 * (min(numbers[i::places]) >= 0) for i in range(places))
        image.putalpha(Image.frombytes("L", shape.size, opaque))
    return image


def array_file(pictures: Mapping[int, bytes], count: int, shape: Shape) -> bytes:
    """The first `count` pictures, each H*W*C bytes, as an array (count, C, H, W) of the nearest values; those that are
    not there are 0."""
    missing = bytes(shape.height * shape.width * shape.channels)
    pixels = b"".join(
        _planes(pictures.get(i, missing), shape.channels) for i in range(count)
    )
    return written(
        (count, shape.channels, shape.height, shape.width),
        pixels.translate(_value_of_pixel(shape.levels)),
    )


def in_values(pixels: bytes, values: int) -> bytes:
    """The nearest pixels that so many values stand for."""
    return pixels.translate(_value_of_pixel(values)).translate(_pixel_of_value(values))


def _planes(pixels: bytes, channels: int) -> bytes:
    """(H, W, C) as (C, H, W)."""
    return b"".join(pixels[colour::channels] for colour in range(channels))


def _interleaved(pixels: bytes, channels: int) -> bytes:
    """(C, H, W) as (H, W, C)."""
    size = len(pixels) // channels
    turned = bytearray(len(pixels))
    for colour in range(channels):
        turned[colour::channels] = pixels[colour * size : (colour + 1) * size]
    return bytes(turned)


def _pixel_of_value(values: int) -> bytes:
    """Table for bytes.translate, of the pixels that model_core.data.pixels makes of values."""
    return bytes(
        (value * 255 + (values - 1) // 2) // (values - 1) for value in range(values)
    ).ljust(256, b"\0")


def _value_of_pixel(values: int) -> bytes:
    """Table for bytes.translate, of the nearest value of each pixel, as there."""
    return bytes((pixel * (values - 1) + 127) // 255 for pixel in range(256))
