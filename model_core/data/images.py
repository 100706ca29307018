"""Pictures in files: read one as a network's values or as a mask, and write images as
one picture.

read_values, read_nearest, read_exact_values    files to arrays
read_keep, read_part                            files to maps of the given pixels
grid, expected_picture, tile                    arrays to a picture
save_picture, write_grid                        a picture to a file
cut                                             undoes `tile`
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.PngImagePlugin import PngInfo
from rich.console import Console

from model_core.config import NetworkConfig
from model_core.data.damaged import PICTURE_ERRORS
from model_core.data.opaque import opaque, turned, upright
from model_core.data.palette import (
    Palette,
    gap_of,
    has_transparent,
    indexed,
    match_colours,
)
from model_core.data.pixels import nearest_values, values_to_pixels
from model_core.errors import DataError
from model_core.places import check_place

Pixels = npt.NDArray[np.uint8]
_EIGHT_BITS = frozenset({"1", "L", "LA", "P", "RGB", "RGBA"})
"""Pillow's modes with at most eight bits per colour, which need no conversion."""
_LARGEST_BYTE = 255
_CUT = 128
"""Smallest grey that counts as white in a mask; smallest opacity of a pixel that is
kept."""

LINE_GREY = 128
"""Grey of the lines between the images of a sheet, and of its empty cells."""

STDOUT = Path("-")
# Suffix -> Pillow's name of the format, and the options of its encoder.
_FORMATS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    ".png": ("PNG", {}),
    ".webp": ("WEBP", {"lossless": True}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
}
_LONGEST_SIDE: Mapping[str, int] = {"WEBP": 16_383, "JPEG": 65_500}
"""Pixels of the longest side that the encoder of a format accepts, by Pillow's name:
WEBP_MAX_DIMENSION of libwebp and JPEG_MAX_DIMENSION of libjpeg. PNG has no limit that
matters here."""


def read_values(
    path: Path,
    config: NetworkConfig,
    resize: bool = False,
) -> npt.NDArray[np.int64]:
    """Return an image file as a network's values, int64 (C, H, W), 0..V-1.

    config: of the network, which has no palette.
    resize: stretch a picture of another size to the network's.

    Raises DataError if the file cannot be read as an image, or has another size without
    `resize`.
    """
    return read_nearest(path, config, resize)[0].astype(np.int64)


def read_nearest(
    path: Path,
    config: NetworkConfig,
    resize: bool = False,
    palette: Palette = (),
    nearest: bool = False,
    keep: npt.NDArray[np.bool_] | None = None,
    field: bool = False,
) -> tuple[npt.NDArray[np.uint8], int]:
    """Return an image file as a network's values, uint8 (C, H, W), 0..V-1, and the
    number of pixels whose colour was changed to the nearest one that has a value.
    Colours with values are those of the palette, or V evenly spaced levels.

    config: of the network. For a network of one colour, colours are converted to grey;
        transparency is blended away (`opaque`), unless there is a palette.
    resize: stretch a picture of another size to the network's, with a box filter, or
        without a filter if there is a palette.
    palette: the colours of the values, if they are categories.
    nearest: with a palette, accept other colours as the nearest of the palette, and
        print to stderr how far they were.
    keep: bool (H, W), the pixels whose colours count; others may have any.
    field: accept any size.

    Raises DataError if the file cannot be read as an image, has another size without
    `resize` or `field`, or a colour outside the palette without `nearest`.
    """
    if not palette:
        pixels = read_pixels(path, config, resize, field)
        values, moved = nearest_values(pixels, config.values)
        if keep is not None:
            _, moved = nearest_values(np.where(keep, pixels, 0), config.values)
        return values, moved
    image = _open(path).convert("RGBA")
    if not field:
        # A filter would mix colours into ones that the palette does not have.
        image = _fit(image, path, config, resize, Image.Resampling.NEAREST)
    found = match_colours(image, palette, nearest, str(path), keep)
    if found.moved:
        Console(stderr=True).print(
            f"{path}: {found.moved} pixels took the nearest colour, the farthest by "
            f"{found.distance:.0f} of 510"
        )
    return found.values, found.moved


def read_pixels(
    path: Path, config: NetworkConfig, resize: bool = False, any_size: bool = False
) -> Pixels:
    """Return an image file as bytes 0..255, (C, H, W), grey or RGB like the network,
    without transparency (`opaque`).

    resize: stretch a picture of another size to the network's, with a box filter.
    any_size: accept any size, and keep it.

    Raises DataError if the file cannot be read as an image, or has another size without
    `resize` or `any_size`.
    """
    image = opaque(_open(path), config.channels)
    if not any_size:
        image = _fit(image, path, config, resize)
    pixels = np.asarray(image).reshape(image.height, image.width, config.channels)
    return pixels.transpose(2, 0, 1)


def read_exact_values(
    path: Path, config: NetworkConfig, palette: Palette = (), nearest: bool = False
) -> npt.NDArray[np.uint8]:
    """Return an image file as a network's values, uint8 (C, H, W), from which the same
    picture can be made again.

    palette, nearest: as for `read_nearest`; with `nearest` the picture may differ.

    Raises DataError if the file cannot be read as an image, or if the same picture
    could not be made again.
    """
    opened = _open(path)
    if opened.size != (config.width, config.height):
        # `_fit` would advise --fit resize, which would not give the picture back.
        raise DataError(f"{_wrong_size(opened, path, config)}: give that size")
    shown = _shown_by(path)
    # The colours of a palette are compared, so the mode of the file does not matter.
    is_converted = not palette and opened.mode not in _EIGHT_BITS
    colours = "one grey picture" if config.channels == 1 else "one RGB picture"
    expected = f"{colours} of 8 bits a colour, not transparent"
    if palette:
        expected = "one picture of 8 bits a colour"
    inexact = f"{path} would not come back as it is: expected {expected}"
    if shown is None or is_converted:
        raise DataError(inexact)

    if palette:
        return read_nearest(path, config, palette=palette, nearest=nearest)[0]

    pixels = read_pixels(path, config)
    values, moved = nearest_values(pixels, config.values)
    if moved:
        raise DataError(
            f"{path} has {moved} pixels of other colours than the model's "
            f"{config.values} values"
        )
    copy = Image.fromarray(pixels.transpose(1, 2, 0).squeeze())
    # Texts and other facts beside the pixels do not matter; Pillow's `==` would compare
    # them, too.
    if copy.convert("RGBA").tobytes() != shown:
        raise DataError(inexact)
    return values


def _shown_by(path: Path) -> bytes | None:
    """Return the pixels of a file as bytes of mode RGBA, upright; None if it has more
    than eight bits per colour. Raise DataError if it cannot be read."""
    try:
        with Image.open(path) as file:
            if _has_deep_colours(file):
                return None
            return turned(file).convert("RGBA").tobytes()
    except PICTURE_ERRORS as error:
        raise DataError(
            f"cannot read the image {path}: {error or type(error).__name__}"
        ) from None


def _has_deep_colours(file: ImageFile) -> bool:
    """Return True if a file has more than eight bits per colour. It must be open, and
    not decoded yet."""
    # Pillow reads some such files in a mode of eight bits; `tile` then shows their
    # depth. It does not for AVIF and JPEG 2000.
    if file.mode.startswith(("I", "F")) or ";16" in str(file.tile):
        return True
    for codec, _, _, arguments in file.tile:
        if codec == "SGI16":
            return True
        # The arguments are a mode and the largest number of a colour.
        if codec in ("ppm", "ppm_plain") and isinstance(arguments, tuple):
            largest = int(arguments[1])
            if largest > _LARGEST_BYTE:
                return True
    return False


def read_keep(
    path: Path,
    config: NetworkConfig,
    alpha: bool = False,
    resize: bool = False,
    palette: Palette = (),
    may_keep_all: bool = False,
) -> npt.NDArray[np.bool_]:
    """Return the map (H, W) of pixels to keep from a mask file: white (128 or more) is
    filled, black is kept.

    alpha: the file is the picture itself, and its transparent pixels (opacity below
        128) are filled.
    resize: stretch a mask of another size to the network's. Small spots may get lost.
    palette: that of the model; it only matters for `alpha`.
    may_keep_all: accept a mask that leaves nothing to fill.

    Raises DataError if the mask cannot be used.
    """
    if alpha and has_transparent(palette):
        raise DataError(
            f"expected a mask: transparent pixels of {path} have one of the model's "
            "colours and are not a hole"
        )
    if alpha:
        hole = _transparent_pixels(path)
        reason = f"{path} has no transparent pixel, and there is no mask"
    else:
        hole = opaque(_open(path), 1)
        reason = f"the mask {path} has no white pixel"
    keep = np.asarray(_fit(hole, path, config, resize)) < _CUT
    if keep.all() and not may_keep_all:
        raise DataError(f"nothing to fill: {reason}")
    return keep


def read_part(
    path: Path, config: NetworkConfig, resize: bool = False, palette: Palette = ()
) -> npt.NDArray[np.bool_] | None:
    """Return bool (H, W): True for the pixels of a picture that are not transparent
    (opacity of 128 or more); None if all are, so that nothing is missing.

    resize: as for `read_keep`.
    palette: that of the model. If one of its colours is transparent, no pixel of a
        picture is missing.

    Raises DataError if the file cannot be read as an image, or has another size without
    `resize`.
    """
    if has_transparent(palette):
        return None
    hole = _fit(_transparent_pixels(path), path, config, resize)
    given = np.asarray(hole) < _CUT
    return None if given.all() else given


def _transparent_pixels(path: Path) -> Image.Image:
    """Return a mask of mode L: 255 for pixels with an opacity below 128, else 0."""
    opacity = _open(path).convert("RGBA").getchannel("A")
    return opacity.point([255] * _CUT + [0] * (256 - _CUT))


def write_grid(
    values: npt.NDArray[np.integer],
    config: NetworkConfig,
    path: Path,
    palette: Palette = (),
) -> None:
    """Write images (N, C, H, W), integers 0..V-1, to a file as one picture, in a table
    as `grid` makes it.

    path: the file, whose suffix names the format; STDOUT for a PNG to stdout.
    palette: the colours of the values, if they are categories.

    Raises DataError for an unknown suffix or a picture that is too large for the
    format, OSError if the file cannot be written.
    """
    save_picture(grid(values, config, palette=palette), path)


def grid(
    values: npt.NDArray[np.integer],
    config: NetworkConfig,
    scale: int = 1,
    palette: Palette = (),
) -> Image.Image:
    """Return images (N, C, H, W), integers 0..V-1, as one picture: a near-square table,
    row by row, with a grey line between them.

    scale: each pixel becomes a square of this many pixels.
    palette: the colours of the values, if they are categories; the picture is then
        indexed.
    """
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
    """Return the mean (C, H, W) of each variable, 0 to V-1, as a picture. With a
    palette, `mean` must be whole numbers, each pixel's category.

    scale: each pixel becomes a square of this many pixels.
    """
    if palette:
        return grid(mean[None].astype(np.uint8), config, scale, palette)
    pixels = np.rint(mean * (255 / (config.values - 1))).astype(np.uint8)
    return _picture(pixels.transpose(1, 2, 0), scale)


def _picture(picture: npt.NDArray[np.uint8], scale: int) -> Image.Image:
    """Return pixels (H, W, C) as a picture in which each is a square of `scale`
    pixels."""
    picture = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)


def check_picture_place(path: Path, palette: Palette = ()) -> None:
    """Raise DataError if `save_picture` could not write to `path`, so that nothing is
    drawn in vain: for an unknown suffix, a directory that cannot be written, JPEG with
    a palette, or a terminal as stdout."""
    if palette and _FORMATS.get(path.suffix.lower(), ("",))[0] == "JPEG":
        raise DataError(
            f"cannot write {path}: JPEG keeps no palette; expected a name that ends in "
            ".png or .webp"
        )
    if path == STDOUT:
        if sys.stdout.isatty():
            raise DataError(
                "a picture is not for a terminal: send it on, as in `--out - > "
                "picture.png`"
            )
        return
    _format_of(path)
    check_place(path)


def save_picture(
    image: Image.Image, path: Path, text: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Write a picture in the format of the file name's suffix, or as PNG to stdout if
    `path` is `STDOUT`. An existing file is overwritten.

    text: text chunks of a PNG, by keyword; other formats drop them.

    Raises DataError for an unknown suffix or a picture that is too large for the
    format, OSError if the file cannot be written.
    """
    name, options = _format_of(path)
    longest = _LONGEST_SIDE.get(name)
    if longest is not None and max(image.size) > longest:
        raise DataError(
            f"cannot write {path}: the picture is {image.width}x{image.height}, and "
            f"{name} has at most {longest:,} pixels a side; expected a name that ends "
            "in .png, or a smaller picture"
        )
    if name == "PNG":
        chunks = PngInfo()
        for key, value in text.items():
            chunks.add_text(key, value)
        options = {"pnginfo": chunks}
        if image.mode == "P":
            # Some versions of Pillow write fewer bits for each pixel if there are few
            # colours; others write 8.
            options = {**options, "bits": 8}
    file = sys.stdout.buffer if path == STDOUT else path
    image.save(file, format=name, **options)


def _format_of(path: Path) -> tuple[str, Mapping[str, Any]]:
    """Return Pillow's name of a file's format and its options. Raise DataError for an
    unknown suffix."""
    if path == STDOUT:
        return _FORMATS[".png"]
    try:
        return _FORMATS[path.suffix.lower()]
    except KeyError:
        raise DataError(
            f"cannot write {path}: expected a name that ends in "
            f"{', '.join(_FORMATS)}, or -"
        ) from None


class Sheet(NamedTuple):
    """The images of a picture that is a table of them, and which of its pixels `tile`
    cannot have written. `cut` makes it."""

    images: Pixels
    """(N, C, H, W): one pixel for each square."""
    broken: npt.NDArray[np.bool_]
    """(N, H, W): True for a pixel of an image that was enlarged to a square, if the
    square has several colours."""
    foreign: npt.NDArray[np.bool_]
    """(H', W'), the size of the table without enlargement: True for a pixel outside the
    images, in a line between them or in an empty cell, that does not have the colour of
    the lines."""


def cut(
    table: Pixels,
    count: int,
    height: int,
    width: int,
    between: Sequence[int] = (LINE_GREY,),
) -> Sheet:
    """Undo `tile`: return the images of a table (H', W', C) whose pixels may be
    enlarged to squares.

    count: the number of images.
    height, width: of one image.
    between: the colour of the lines and of empty cells, one number for each of the C
        channels or one for all of them.

    Raises DataError if the table does not have the size of that many images.
    """
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    high = rows * (height + 1) - 1
    wide = columns * (width + 1) - 1
    scale = max(1, table.shape[1] // wide)
    if table.shape[:2] != (high * scale, wide * scale):
        raise DataError(
            f"the picture is {table.shape[1]}x{table.shape[0]}, expected {wide}x{high} "
            f"or a multiple of that for {count} image{'' if count == 1 else 's'} of "
            f"{width}x{height}"
        )
    squares = table.reshape(high, scale, wide, scale, -1)
    pixels = squares[:, 0, :, 0]  # (high, wide, C)
    broken = (squares != pixels[:, None, :, None]).any((1, 3, 4))
    foreign = broken | (pixels != np.array(between, np.uint8)).any(2)
    corners = [
        (i // columns * (height + 1), i % columns * (width + 1)) for i in range(count)
    ]
    cells = [(slice(y, y + height), slice(x, x + width)) for y, x in corners]
    for cell in cells:
        foreign[cell] = False
    return Sheet(
        np.stack([pixels[cell].transpose(2, 0, 1) for cell in cells]),
        np.stack([broken[cell] for cell in cells]),
        foreign,
    )


def tile(pixels: Pixels, between: int = LINE_GREY) -> Pixels:
    """Return images (N, C, H, W) side by side in a near-square table (H', W', C), row
    by row, with lines of one pixel between them.

    between: the value of the lines and of empty cells.
    """
    N, C, H, W = pixels.shape
    columns = int(np.ceil(np.sqrt(N)))
    rows = -(-N // columns)
    table = np.full((rows * (H + 1) - 1, columns * (W + 1) - 1, C), between, np.uint8)
    for i in range(N):
        y = i // columns * (H + 1)
        x = i % columns * (W + 1)
        table[y : y + H, x : x + W] = pixels[i].transpose(1, 2, 0)
    return table


def _open(path: Path) -> Image.Image:
    """Return the picture in a file, with eight bits per colour, and turned as its
    camera recorded. Raise DataError if it cannot be read, has several frames, or has a
    palette index without a colour."""
    try:
        with Image.open(path) as image:
            # The further pictures of an MPO file are no frames, but previews and the
            # like, which phones append to a JPEG.
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            if frames != 1:
                raise DataError(
                    f"{path} has {frames} frames: expected a single picture"
                )
            picture = upright(image)
    except UnidentifiedImageError:
        raise DataError(f"{path} is not an image") from None
    except PICTURE_ERRORS as error:
        raise DataError(
            f"cannot read the image {path}: {error or type(error).__name__}"
        ) from None
    if picture.mode == "P":
        colours = len(picture.getpalette() or ()) // 3
        if np.asarray(picture).max() >= colours:
            raise DataError(f"{path} has a pixel whose number is beyond its palette")
    return picture


def _fit(
    image: Image.Image,
    path: Path,
    config: NetworkConfig,
    resize: bool,
    by: Image.Resampling = Image.Resampling.BOX,
) -> Image.Image:
    """Return the picture in the network's size. Raise DataError if it has another size
    and `resize` is False."""
    size = config.width, config.height
    if image.size == size:
        return image
    if not resize:
        fault = _wrong_size(image, path, config)
        raise DataError(f"{fault}: give that size, or --fit resize")
    return image.resize(size, by)


def _wrong_size(image: Image.Image, path: Path, config: NetworkConfig) -> str:
    return (
        f"{path} is {image.width}x{image.height}, but the model takes "
        f"{config.width}x{config.height} pixels"
    )
