"""Colours that stand for categories. The service does the same with pictures
(app/imaging/palette.py)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from model_core.data.options import Palette, check_palette
from model_core.errors import DataError

Colours = npt.NDArray[np.uint8]
"""(V, 4): red, green, blue and opacity. All completely transparent colours are equal
(0, 0, 0, 0)."""
MOST = 256
"""Maximum number of colours of a palette."""
OPAQUE = 128
"""Smallest opacity of a pixel that counts as visible."""
_GAP = (128, 128, 128, 255)
"""Colour of the lines between images."""
_AT_ONCE = 4096
"""Colours that are compared with a palette at the same time. It bounds the memory, since
a photograph may have millions of colours."""
_CUT_PIXELS = 2**20
"""Pixels of the picture by which median cut learns how often each colour occurs."""


class MatchedColours(NamedTuple):
    """A picture in the colours of a palette; `match_colours` makes it.

    values: (1, H, W), the category of each pixel.
    moved: number of pixels that had another colour.
    distance: the largest distance of such a colour to the one that replaced it, in RGBA
        space, 0 to 510.
    """

    values: npt.NDArray[np.uint8]
    moved: int
    distance: float


def colours_of(palette: Sequence[str]) -> Colours:
    """Return the colours of a palette as bytes (V, 4), red, green, blue and opacity.
    Raises ValueError if one is malformed or occurs twice."""
    check_palette(palette)
    listed = [[*bytes.fromhex(f"{colour[1:]:f<8}")] for colour in palette]
    return one_transparent(np.array(listed, np.uint8).reshape(-1, 4))


def palette_of(colours: Colours) -> Palette:
    """Return colours (V, 4) as text: `#rrggbb`, or `#rrggbbaa` if not opaque. It undoes
    `colours_of`."""
    return tuple(
        f"#{bytes(each).hex()}".removesuffix("ff" if each[3] == 255 else "-")
        for each in colours
    )


def greys(count: int) -> Palette:
    """Return `count` evenly spaced greys from black to white, as text: the colours of
    categories if nothing is known about them.

    count: at least 2.
    """
    return tuple(f"#{round(i * 255 / (count - 1)) * 0x10101:06x}" for i in range(count))


def one_transparent(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a copy of pixels (..., 4) in which all completely transparent ones are 0,
    0, 0, 0."""
    return np.where(pixels[..., 3:] == 0, 0, pixels).astype(np.uint8)


def match_colours(
    image: Image.Image,
    palette: Palette,
    nearest: bool,
    name: str,
    keep: npt.NDArray[np.bool_] | None = None,
) -> MatchedColours:
    """Return a picture in the colours of a palette: for each pixel the nearest of them.

    nearest: accept other colours than those of the palette.
    name: the picture's name, for the message.
    keep: bool (H, W), the pixels whose colours are checked and counted. Default: all.

    Raises DataError, which names the first other colour, if there is one and `nearest`
    is False.
    """
    pixels = one_transparent(np.asarray(image.convert("RGBA"))).reshape(-1, 4)
    numbers, inverse = np.unique(pixels.view(np.uint32), return_inverse=True)
    nearest_ones, squares = _nearest(numbers.view(np.uint8).reshape(-1, 4), palette)
    moved = squares[inverse.ravel()]  # (H * W,)
    if keep is not None:
        moved = moved * keep.ravel()
    if moved.any() and not nearest:
        (foreign,) = palette_of(pixels[np.flatnonzero(moved)[:1]])
        raise DataError(
            f"{name} has the colour {foreign}, which is none of the model's "
            f"{len(palette)}: say --colours nearest"
        )
    return MatchedColours(
        nearest_ones[inverse].reshape(1, image.height, image.width),
        int((moved > 0).sum()),
        float(np.sqrt(moved.max())),
    )


def _nearest(
    colours: Colours, palette: Palette
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """Find the nearest colour of a palette for each of n colours.

    colours: (n, 4), red, green, blue and opacity, 0..255.

    Returns indices in the palette, the lowest of equally near ones, and squared
    Euclidean distances; both (n,).
    """
    wanted = colours_of(palette).astype(np.int32)
    values = np.empty(len(colours), np.uint8)
    squares = np.empty(len(colours), np.int32)
    for first in range(0, len(colours), _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        differences = colours[some, None] - wanted  # (colours, V, 4)
        distances = (differences**2).sum(2)
        values[some] = distances.argmin(1)
        squares[some] = distances.min(1)
    return values, squares


def has_transparent(palette: Palette) -> bool:
    """Return True if a category has a colour with an opacity below 128, which is not
    visible. Transparent pixels of a picture are then not a hole."""
    return bool(len(palette) and (colours_of(palette)[:, 3] < OPAQUE).any())


def values_of_pixels(
    pixels: npt.NDArray[np.uint8], palette: Palette
) -> npt.NDArray[np.int64]:
    """Return the values (N, 1, H, W) of pixels (N, 4, H, W), bytes of red, green, blue
    and opacity; -1 for a pixel whose colour is not exactly one of the palette."""
    pixels = one_transparent(pixels.transpose(0, 2, 3, 1))  # (N, H, W, 4)
    is_same = (pixels[..., None, :] == colours_of(palette)).all(-1)  # (N, H, W, V)
    return np.where(is_same.any(-1), is_same.argmax(-1), -1)[:, None]


def picture_colours(palette: Palette) -> Colours:
    """Return the colours of a picture's palette, bytes (n, 4): those of the values,
    then the grey of the lines between images if there is room for it."""
    return np.array([*colours_of(palette), _GAP], np.uint8)[:MOST]


def indexed(values: npt.NDArray[np.uint8], palette: Palette) -> Image.Image:
    """Return values (H, W) as an indexed picture with the palette. A value of
    len(palette) is the grey of the lines between images."""
    colours = picture_colours(palette)
    image = Image.fromarray(values, "L")
    image.putpalette(colours[:, :3].tobytes())
    if (colours[:, 3] < 255).any():
        image.info["transparency"] = colours[:, 3].tobytes()
    return image


def median_cut(colours: Colours, counts: npt.NDArray[np.integer], most: int) -> Colours:
    """Return at most `most` colours that replace these, bytes (n, 4): Pillow's median
    cut of the visible ones, all opaque; and the transparent one, first, if a colour is
    not visible.

    colours: (N, 4).
    counts: (N,), how often each colour occurs.
    """
    is_visible = colours[:, 3] >= OPAQUE
    room = most if is_visible.all() else most - 1

    # Pillow quantises pictures, so make one in which each colour has its share.
    repeats = np.maximum(1, counts[is_visible] * _CUT_PIXELS // counts.sum())
    pixels = Image.fromarray(np.repeat(colours[is_visible, :3], repeats, axis=0)[None])
    quantised = pixels.quantize(room, Image.Quantize.MEDIANCUT)
    found = np.array(quantised.getpalette(), np.uint8).reshape(-1, 3)[:room]
    opaque = np.pad(np.unique(found, axis=0), ((0, 0), (0, 1)), constant_values=255)
    if is_visible.all():
        return opaque
    return np.concatenate([np.zeros((1, 4), np.uint8), opaque])


def gap_of(palette: Palette) -> int:
    """Return the value of the lines between images: that of the grey after the
    palette's colours, or its first colour if the palette is full."""
    return len(palette) % MOST
