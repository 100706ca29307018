"""Pictures in files: reading one for a network, and writing what it drew."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo
from rich.console import Console

from model_core.config import NetworkConfig
from model_core.data.damaged import PICTURE_ERRORS
from model_core.data.opaque import opaque
from model_core.data.palette import Palette, gap_of, has_transparent, indexed, taken
from model_core.data.pixels import nearest_values, values_to_pixels
from model_core.errors import DataError
from model_core.places import check_place

Pixels = npt.NDArray[np.uint8]
_EIGHT_BITS = frozenset({"1", "L", "LA", "P", "RGB", "RGBA"})
"""Pillow's modes of pictures that can be taken as they are."""
_CUT = 128
"""Least grey that is white in a mask, and least opacity of a pixel that is kept."""

LINE_GREY = 128
"""Grey of the lines between the images of a sheet, and of its empty cells."""

STDOUT = Path("-")
_FORMATS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    ".png": ("PNG", {}),
    ".webp": ("WEBP", {"lossless": True}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
}


def read_values(
    path: Path,
    config: NetworkConfig,
    resize: bool = False,
    palette: Palette = (),
    nearest: bool = False,
) -> npt.NDArray[np.int64]:
    """An image file as this network's values (C, H, W), as in `read_nearest`."""
    return read_nearest(path, config, resize, palette, nearest)[0].astype(np.int64)


def read_nearest(
    path: Path,
    config: NetworkConfig,
    resize: bool = False,
    palette: Palette = (),
    nearest: bool = False,
    keep: npt.NDArray[np.bool_] | None = None,
    field: bool = False,
) -> tuple[npt.NDArray[np.uint8], int]:
    """An image file as this network's values (C, H, W), and how many pixels were moved to the nearest.

    DataError unless it is an image of the network's size, or a field; with `resize` one of another size is stretched to
    it, by a box filter as in the service. Of a network with a palette, the nearest pixel is taken, and another colour
    is a DataError, unless `nearest`, or where it is not kept: stderr is then told how far pixels were moved.
    """
    if not palette:
        return nearest_values(read_pixels(path, config, resize, field), config.values)
    image = _open(path).convert("RGBA")
    image = (
        image if field else _fit(image, path, config, resize, Image.Resampling.NEAREST)
    )
    found = taken(image, palette, nearest, str(path), keep)
    if found.moved:
        far = f"the farthest by {found.distance:.0f} of 510"
        Console(stderr=True).print(
            f"{path}: {found.moved} pixels took the nearest colour, {far}"
        )
    return found.values, found.moved


def read_pixels(
    path: Path, config: NetworkConfig, resize: bool = False, any_size: bool = False
) -> Pixels:
    """An image file as pixels (C, H, W), grey or coloured as the network is, and `opaque`; DataError as in
    read_values."""
    image = opaque(_open(path), config.channels)
    image = image if any_size else _fit(image, path, config, resize)
    return (
        np.asarray(image)
        .reshape(image.height, image.width, config.channels)
        .transpose(2, 0, 1)
    )


def read_exact_values(
    path: Path, config: NetworkConfig, palette: Palette = (), nearest: bool = False
) -> npt.NDArray[np.uint8]:
    """An image file as this network's values (C, H, W) that show it as it is; DataError also for one with a colour that
    is none of them, transparency, more than eight bits a colour, or several frames."""
    if palette:
        return read_nearest(path, config, palette=palette, nearest=nearest)[0]
    pixels = read_pixels(path, config)
    values, moved = nearest_values(pixels, config.values)
    if moved:
        raise DataError(
            f"{path} has {moved} pixels of other colours than the model's {config.values} values"
        )
    try:
        with Image.open(path) as image:
            one_frame = getattr(image, "n_frames", 1) == 1
            shown = pixels.transpose(1, 2, 0).squeeze()
            is_deep = ";16" in str(image.tile) or image.mode not in _EIGHT_BITS
            exact = not is_deep and Image.fromarray(shown).convert(
                "RGBA"
            ) == image.convert("RGBA")
    except PICTURE_ERRORS as error:  # behind its first frame
        raise DataError(
            f"cannot read the image {path}: {error or type(error).__name__}"
        ) from None
    if not (exact and one_frame):
        colours = "one grey picture" if config.channels == 1 else "one RGB picture"
        raise DataError(
            f"{path} would not come back as it is: expected {colours} of 8 bits a colour, not transparent"
        )
    return values


def read_drawn(path: Path) -> tuple[dict[str, str], Pixels]:
    """A PNG's texts by keyword, and its pixels (H', W', C), one colour or three, with a palette four. Raises DataError
    for another file."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            mode = "RGBA" if image.mode == "P" else "L" if image.mode == "L" else "RGB"
            pixels = np.asarray(image.convert(mode))
            text = {
                str(key): str(value)
                for key, value in image.info.items()
                if isinstance(value, str)
            }
    except UnidentifiedImageError:
        raise DataError(f"{path} is not a PNG") from None
    except PICTURE_ERRORS as error:
        raise DataError(f"cannot read the image {path}: {error}") from None
    return text, np.atleast_3d(pixels)


def read_keep(
    path: Path,
    config: NetworkConfig,
    alpha: bool = False,
    resize: bool = False,
    palette: Palette = (),
) -> npt.NDArray[np.bool_]:
    """A mask file as the map of pixels to keep (H, W): white (128 or more) is to be filled, black is kept.

    alpha: the file is the picture itself, and its transparent pixels (alpha below 128) are to be filled. DataError when
    there is nothing to fill, or transparent is a colour of the palette.
    """
    if alpha and has_transparent(palette):
        raise DataError(
            f"expected a mask: what is transparent in {path} is one of the model's colours, and no hole"
        )
    if alpha:
        hole = (
            _open(path)
            .convert("RGBA")
            .getchannel("A")
            .point([255] * _CUT + [0] * (256 - _CUT))
        )
        lacking = (
            f"nothing to fill: {path} has no transparent pixel, and there is no mask"
        )
    else:
        hole = opaque(_open(path), 1)
        lacking = f"nothing to fill: the mask {path} has no white pixel"
    keep = np.asarray(_fit(hole, path, config, resize)) < _CUT
    if keep.all():
        raise DataError(lacking)
    return keep


def write_grid(
    values: npt.NDArray[np.integer],
    config: NetworkConfig,
    path: Path,
    scale: int = 1,
    text: Mapping[str, str] = MappingProxyType({}),
    palette: Palette = (),
) -> None:
    """Write images (N, C, H, W) as the picture that `grid` makes of them; where and how as in `save_picture`."""
    save_picture(grid(values, config, scale, palette), path, text)


def grid(
    values: npt.NDArray[np.integer],
    config: NetworkConfig,
    scale: int = 1,
    palette: Palette = (),
) -> Image.Image:
    """Images (N, C, H, W) as one picture, near square, row by row, a grey line between; pixels are `scale` wide."""
    if palette:
        table = tile(values.astype(np.uint8), between=gap_of(palette))[..., 0]
        return indexed(table.repeat(scale, axis=0).repeat(scale, axis=1), palette)
    return _picture(tile(values_to_pixels(values, config.values)), scale)


def expected_picture(
    mean: npt.NDArray[np.floating],
    config: NetworkConfig,
    scale: int = 1,
    palette: Palette = (),
) -> Image.Image:
    """The expected value (C, H, W) of each variable, 0 to V-1, as the picture that it would be."""
    if palette:
        return grid(mean[None].astype(np.uint8), config, scale, palette)
    return _picture(
        np.rint(mean * (255 / (config.values - 1))).astype(np.uint8).transpose(1, 2, 0),
        scale,
    )


def _picture(picture: npt.NDArray[np.uint8], scale: int) -> Image.Image:
    """Pixels (H, W, C), each a square of `scale`."""
    picture = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)


def check_picture_place(path: Path, palette: Palette = ()) -> None:
    """DataError where `save_picture` could not write: found out before anything is drawn."""
    if palette and _FORMATS.get(path.suffix.lower(), ("",))[0] == "JPEG":
        raise DataError(
            f"cannot write {path}: JPEG keeps no palette; expected a name that ends in .png or .webp"
        )
    if path == STDOUT:
        if sys.stdout.isatty():
            raise DataError(
                "a picture is not for a terminal: send it on, as in `--out - > picture.png`"
            )
        return
    _format_of(path)
    check_place(path)


def save_picture(
    image: Image.Image, path: Path, text: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Write a picture in the format that its name ends in, or as PNG to stdout. text: what a PNG says of itself, by
    keyword. Raises DataError for a name of no format, OSError."""
    name, options = _format_of(path)
    if name == "PNG":
        chunks = PngInfo()
        for key, value in text.items():
            chunks.add_text(key, value)
        options = {"pnginfo": chunks, **({"bits": 8} if image.mode == "P" else {})}
    image.save(sys.stdout.buffer if path == STDOUT else path, format=name, **options)


def _format_of(path: Path) -> tuple[str, Mapping[str, Any]]:
    if path == STDOUT:
        return _FORMATS[".png"]
    try:
        return _FORMATS[path.suffix.lower()]
    except KeyError:
        raise DataError(
            f"cannot write {path}: expected a name that ends in {', '.join(_FORMATS)}, or -"
        ) from None


class Sheet(NamedTuple):
    """The images of a sheet, and its pixels that `tile` cannot have written."""

    images: Pixels
    """(N, C, H, W)."""
    broken: npt.NDArray[np.bool_]
    """(N, H, W): True if the square of an enlarged pixel has several colours."""
    foreign: npt.NDArray[np.bool_]
    """(H', W'), without enlargement: True for a pixel outside the images (in a line
    between them or in an empty cell) that has another colour than the lines."""


def cut(
    table: Pixels,
    count: int,
    height: int,
    width: int,
    line: int = 1,
    between: Sequence[int] = (LINE_GREY,),
) -> Sheet:
    """Undo `tile`, of a table (H', W', C) whose pixels may be squares of several.

    count: the number of images. between: the colour of the lines and of empty cells,
    one number for each of the C channels or one for all of them. Raises DataError if
    the table has not the size that so many images have.
    """
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    high = rows * (height + line) - line
    wide = columns * (width + line) - line
    scale = max(1, table.shape[1] // wide)
    if table.shape[:2] != (high * scale, wide * scale):
        raise DataError(
            f"the picture is {table.shape[1]}x{table.shape[0]}, expected {wide}x{high} or a multiple of that for "
            f"{count} image{'' if count == 1 else 's'} of {width}x{height}"
        )
    squares = table.reshape(high, scale, wide, scale, -1)
    pixels = squares[:, 0, :, 0]  # (high, wide, C)
    broken = (squares != pixels[:, None, :, None]).any((1, 3, 4))
    foreign = broken | (pixels != np.array(between, np.uint8)).any(2)
    corners = [
        (i // columns * (height + line), i % columns * (width + line))
        for i in range(count)
    ]
    cells = [(slice(y, y + height), slice(x, x + width)) for y, x in corners]
    for cell in cells:
        foreign[cell] = False
    return Sheet(
        np.stack([pixels[cell].transpose(2, 0, 1) for cell in cells]),
        np.stack([broken[cell] for cell in cells]),
        foreign,
    )


def tile(pixels: Pixels, line: int = 1, between: int = LINE_GREY) -> Pixels:
    """Images (N, C, H, W) side by side in a near-square table (H', W', C)."""
    N, C, H, W = pixels.shape
    columns = int(np.ceil(np.sqrt(N)))
    rows = -(-N // columns)
    table = np.full(
        (rows * (H + line) - line, columns * (W + line) - line, C), between, np.uint8
    )
    for i in range(N):
        y, x = i // columns * (H + line), i % columns * (W + line)
        table[y : y + H, x : x + W] = pixels[i].transpose(1, 2, 0)
    return table


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return _eight_bits(image, path)
    except UnidentifiedImageError:
        raise DataError(f"{path} is not an image") from None
    except PICTURE_ERRORS as error:
        raise DataError(
            f"cannot read the image {path}: {error or type(error).__name__}"
        ) from None


def _eight_bits(image: Image.Image, path: Path) -> Image.Image:
    """Take the upper 8 of 16 bits, which Pillow would make white. DataError for a number that has no colour."""
    if (
        image.mode == "P"
        and np.asarray(image).max() >= len(image.getpalette() or ()) // 3
    ):
        raise DataError(f"{path} has a pixel whose number is beyond its palette")
    return (
        Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.mode.startswith("I;16")
        else image
    )


def _fit(
    image: Image.Image,
    path: Path,
    config: NetworkConfig,
    resize: bool,
    by: Image.Resampling = Image.Resampling.BOX,
) -> Image.Image:
    """The picture in the network's size."""
    size = config.width, config.height
    if image.size != size and not resize:
        found, expected = (
            f"{image.width}x{image.height}",
            f"{config.width}x{config.height}",
        )
        raise DataError(
            f"{path} is {found}, but the model takes {expected} pixels: give that size, or --fit resize"
        )
    return image if image.size == size else image.resize(size, by)
