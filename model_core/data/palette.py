"""Colours that stand for categories. The service does the same with pictures (app/imaging/palette.py)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from model_core.data.options import Palette, check_palette
from model_core.errors import DataError

Colours = npt.NDArray[np.uint8]
"""(V, 4): red, green, blue and opacity. Whatever is wholly transparent is one colour."""
MOST = 256
OPAQUE = 128
"""Least opacity of a pixel that is seen."""
_GAP = (128, 128, 128, 255)
_CUT_PIXELS = 2**20


class Taken(NamedTuple):
    """Values (1, H, W) of a picture, how many of its pixels took another colour, and how far the farthest went."""

    values: npt.NDArray[np.uint8]
    moved: int
    distance: float


def colours_of(palette: Sequence[str]) -> Colours:
    """The colours of a palette. Raises ValueError for one that is written wrong, or is there twice."""
    check_palette(palette)
    listed = [[*bytes.fromhex(f"{colour[1:]:f<8}")] for colour in palette]
    return one_transparent(np.array(listed, np.uint8).reshape(-1, 4))


def written(colours: Colours) -> Palette:
    """Undo `colours_of`."""
    return tuple(
        f"#{bytes(each).hex()}".removesuffix("ff" if each[3] == 255 else "-")
        for each in colours
    )


def greys(count: int) -> Palette:
    """Evenly spaced greys: the colours of categories of which nothing is known."""
    return tuple(f"#{round(i * 255 / (count - 1)) * 0x10101:06x}" for i in range(count))


def one_transparent(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Pixels (..., 4) in which what is wholly transparent has no other colour."""
    return np.where(pixels[..., 3:] == 0, 0, pixels).astype(np.uint8)


def taken(
    image: Image.Image,
    palette: Palette,
    nearest: bool,
    name: str,
    keep: npt.NDArray[np.bool_] | None = None,
) -> Taken:
    """A picture in the colours of a palette. Raises DataError that names the first other one, unless the nearest are
    asked for. Colours count where keep (H, W) is True: everywhere, without."""
    pixels = one_transparent(np.asarray(image.convert("RGBA"))).reshape(-1, 4)
    colours, inverse = np.unique(pixels, axis=0, return_inverse=True)
    apart = colours[:, None].astype(int) - colours_of(palette)
    distances = (apart**2).sum(2)  # (colours, V)
    moved = distances.min(1)[inverse.ravel()] * (True if keep is None else keep.ravel())
    if moved.any() and not nearest:
        (foreign,) = written(pixels[np.flatnonzero(moved)[:1]])
        raise DataError(
            f"{name} has the colour {foreign}, which is none of the model's {len(palette)}: say --colours nearest"
        )
    values = distances.argmin(1)[inverse.ravel()].astype(np.uint8)
    return Taken(
        values.reshape(1, image.height, image.width),
        int((moved > 0).sum()),
        float(np.sqrt(moved.max())),
    )


def has_transparent(palette: Palette) -> bool:
    """Is there a category that a picture shows as transparent? Then what is transparent is no hole."""
    return bool(len(palette) and (colours_of(palette)[:, 3] < OPAQUE).any())


def values_shown(
    pixels: npt.NDArray[np.uint8], palette: Palette
) -> npt.NDArray[np.int64]:
    """Pixels (N, 4, H, W) as values (N, 1, H, W); -1 where a pixel has another colour."""
    colours = colours_of(palette)
    same = (one_transparent(pixels.transpose(0, 2, 3, 1))[..., None, :] == colours).all(
        -1
    )  # (N, H, W, V)
    return np.where(same.any(-1), same.argmax(-1), -1)[:, None]


def colours_shown(palette: Palette) -> Colours:
    """Return the colours of a picture's palette: those of the values, then the grey of
    the lines between images if there is room for it."""
    return np.array([*colours_of(palette), _GAP], np.uint8)[:MOST]


def indexed(values: npt.NDArray[np.uint8], palette: Palette) -> Image.Image:
    """Values (H, W) as a picture with the palette; one past the last is the grey between pictures."""
    colours = colours_shown(palette)
    image = Image.fromarray(values, "L")
    image.putpalette(colours[:, :3].tobytes())
    if (colours[:, 3] < 255).any():
        image.info["transparency"] = colours[:, 3].tobytes()
    return image


def median_cut(colours: Colours, counts: npt.NDArray[np.integer], most: int) -> Colours:
    """Put at most so many colours in the place of others, by how often these are (N,): Pillow's median cut of what is
    seen, and the transparent one."""
    seen = colours[:, 3] >= OPAQUE
    room = most - int(not seen.all())
    often = np.maximum(1, counts[seen] * _CUT_PIXELS // counts.sum())
    pixels = Image.fromarray(np.repeat(colours[seen, :3], often, axis=0)[None])
    found = np.array(
        pixels.quantize(room, Image.Quantize.MEDIANCUT).getpalette(), np.uint8
    ).reshape(-1, 3)[:room]
    opaque = np.pad(np.unique(found, axis=0), ((0, 0), (0, 1)), constant_values=255)
    return (
        opaque if seen.all() else np.concatenate([np.zeros((1, 4), np.uint8), opaque])
    )


def gap_of(palette: Palette) -> int:
    """The value between pictures: the grey behind the palette; of one without room its first colour."""
    return len(palette) % MOST
