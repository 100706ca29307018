"""Pictures in the colours of a palette, which stand for the values of a model: what model_core/data/palette.py does."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from app.errors import UnusableImageError

MOST = 256
_OPAQUE = 128
_GAP = bytes((128, 128, 128, 255))
_CLEAR = bytes(4)


@dataclass(frozen=True)
class Taken:
    """A picture as values, a byte a pixel; how many pixels took another colour, and how far the farthest went."""

    values: bytes
    moved: int
    distance: float


def taken(
    image: Image.Image, palette: Sequence[str], nearest: bool, keep: bytes = b""
) -> Taken:
    """The values of a picture. Raises UnusableImageError that names the first colour which is none of the palette,
    unless the nearest are asked for. Colours count where `keep` is not 0: everywhere, if it is empty."""
    known = {colour: value for value, colour in enumerate(_colours(palette))}
    pixels, found = _pixels(image), dict[bytes, tuple[int, float]]()
    counts = [not keep or keep[i] != 0 for i in range(len(pixels))]
    for i, pixel in enumerate(pixels):
        if pixel not in found:
            found[pixel] = (
                (known[pixel], 0.0) if pixel in known else _nearest(pixel, known)
            )
        if counts[i] and found[pixel][1] and not nearest:
            x, y = i % image.width, i // image.width
            raise UnusableImageError(
                f"the image has the colour #{pixel.hex()} at ({x}, {y}), which is none of the model's {len(palette)}: "
                "expected the colours of its palette, or colours=nearest"
            )
    moved = [
        found[pixel][1]
        for pixel, counted in zip(pixels, counts, strict=True)
        if counted and found[pixel][1]
    ]
    return Taken(
        bytes(found[pixel][0] for pixel in pixels),
        len(moved),
        round(max(moved, default=0.0), 1),
    )


def indexed(values: Image.Image, palette: Sequence[str]) -> Image.Image:
    """Values, of mode L, as a picture with the palette; one past the last is the grey between pictures."""
    colours = [*_colours(palette), _GAP][:MOST]
    picture = values.copy()
    picture.putpalette(b"".join(colour[:3] for colour in colours))
    opacity = bytes(colour[3] for colour in colours)
    if min(opacity) < 255:
        picture.info["transparency"] = opacity
    return picture


def chunks(palette: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """The palette as a PNG has it: the names and contents of its chunks."""
    colours = _colours(palette)
    opacity = bytes(colour[3] for colour in colours)
    found = [(b"PLTE", b"".join(colour[:3] for colour in colours))]
    return found + ([(b"tRNS", opacity)] if min(opacity) < 255 else [])


def gap_of(palette: Sequence[str]) -> int:
    """The value between pictures: the grey behind the palette; of one without room its first colour."""
    return len(palette) % MOST


def has_transparent(palette: Sequence[str]) -> bool:
    """Is there a value that a picture shows as transparent? Then what is transparent is no hole."""
    return any(colour[3] < _OPAQUE for colour in _colours(palette))


def _colours(palette: Sequence[str]) -> list[bytes]:
    """Red, green, blue and opacity of each; whatever is wholly transparent is one colour."""
    return [_one(bytes.fromhex(f"{colour[1:]:f<8}")) for colour in palette]


def _pixels(image: Image.Image) -> list[bytes]:
    raw = image.convert("RGBA").tobytes()
    return [_one(raw[i : i + 4]) for i in range(0, len(raw), 4)]


def _one(pixel: bytes) -> bytes:
    return pixel if pixel[3] else _CLEAR


def _nearest(pixel: bytes, known: dict[bytes, int]) -> tuple[int, float]:
    squares = {
        sum((a - b) ** 2 for a, b in zip(pixel, colour, strict=True)): colour
        for colour in reversed(known)
    }
    least = min(squares)
    return known[squares[least]], least**0.5
