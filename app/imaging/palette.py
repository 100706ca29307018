"""Pictures in the colours of a palette, which stand for the values of a model, as in
model_core/data/palette.py."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from PIL import Image

from app.errors import UnusableImageError
from worker.contract.picture_file import MOST, colours_of, one_transparent

_OPAQUE = 128


@dataclass(frozen=True)
class PaletteValues:
    """A picture as values of a palette."""

    values: bytes
    """One byte for each pixel."""
    moved: int
    """Number of pixels that took another colour."""
    distance: float
    """The largest distance between a pixel's colour and the one that it took; 0 if none
    moved."""


def palette_values(
    image: Image.Image, palette: Sequence[str], nearest: bool, keep: bytes = b""
) -> PaletteValues:
    """Return the values of a picture's pixels.

    nearest: True if colours that are missing from the palette become the nearest ones;
        False if they are an error.
    keep: only pixels whose byte is not 0 count as moved or missing; empty for all.

    Raises UnusableImageError, which names the first missing colour, unless `nearest`.
    """
    colours = colours_of(palette)
    known = {colour: value for value, colour in enumerate(colours)}
    nearest_to = _search(colours)
    pixels = _pixels(image)
    found: dict[bytes, tuple[int, float]] = {}
    """Colour -> value, and distance to the value's colour."""
    counts = [not keep or keep[i] != 0 for i in range(len(pixels))]
    for i, pixel in enumerate(pixels):
        if pixel not in found:
            is_known = pixel in known
            found[pixel] = (known[pixel], 0.0) if is_known else nearest_to(pixel)
        if counts[i] and found[pixel][1] and not nearest:
            x, y = i % image.width, i // image.width
            raise UnusableImageError(
                f"the image has the colour #{pixel.hex()} at ({x}, {y}), which is none "
                f"of the model's {len(palette)}: "
                "expected the colours of its palette, or colours=nearest"
            )
    moved = [
        found[pixel][1]
        for pixel, counted in zip(pixels, counts, strict=True)
        if counted and found[pixel][1]
    ]
    return PaletteValues(
        bytes(found[pixel][0] for pixel in pixels),
        len(moved),
        round(max(moved, default=0.0), 1),
    )


def chunks(palette: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """Return the palette as chunks of a PNG (PLTE and tRNS): names and contents."""
    colours = colours_of(palette)
    opacity = bytes(colour[3] for colour in colours)
    found = [(b"PLTE", b"".join(colour[:3] for colour in colours))]
    return found + ([(b"tRNS", opacity)] if min(opacity) < 255 else [])


def gap_of(palette: Sequence[str]) -> int:
    """Return the value that is drawn as the lines between pictures in a grid: the one
    after the palette's last colour, which `with_palette` makes grey; or 0 if the
    palette is full."""
    return len(palette) % MOST


def has_transparent(palette: Sequence[str]) -> bool:
    """Return True if one of the palette's colours is transparent; then transparent
    pixels are no hole."""
    return any(colour[3] < _OPAQUE for colour in colours_of(palette))


def _pixels(image: Image.Image) -> list[bytes]:
    raw = image.convert("RGBA").tobytes()
    return [one_transparent(raw[i : i + 4]) for i in range(0, len(raw), 4)]


def _search(colours: Sequence[bytes]) -> Callable[[bytes], tuple[int, float]]:
    """Return a function that finds the nearest of these colours.

    The function takes one colour (red, green, blue and opacity) and returns the index
    of the nearest one, the lowest of equally near ones, and the Euclidean distance.
    """

    @cache
    def squares(channel: int, level: int) -> list[int]:
        """Return the squared difference to each colour in one channel. A picture may
        have 65,000 colours, but a channel has 256 levels."""
        return [(level - colour[channel]) ** 2 for colour in colours]

    def nearest_to(pixel: bytes) -> tuple[int, float]:
        by_channel = [squares(channel, level) for channel, level in enumerate(pixel)]
        distances = [r + g + b + a for r, g, b, a in zip(*by_channel, strict=True)]
        least = min(distances)
        return distances.index(least), least**0.5

    return nearest_to
