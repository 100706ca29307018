"""Decode many picture files in parallel, fit them to a network's size, and cache the
result."""

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from rich.console import Console
from rich.progress import track

from model_core.config import NetworkConfig
from model_core.data.cache import cached_parts, cached_values
from model_core.data.damaged import PICTURE_ERRORS
from model_core.data.opaque import opaque, upright
from model_core.data.options import ReadOptions
from model_core.data.palette import (
    Palette,
    match_colours,
    median_cut,
    one_transparent,
    palette_of,
)
from model_core.data.pixels import nearest_values
from model_core.data.splits import (
    Pixels,
    Split,
    Values,
    few_split,
    hashed_share,
    quantise,
    split_at,
)
from model_core.errors import DataError

Found = TypeVar("Found")

_log = logging.getLogger(__name__)
_FILTERS = {"lanczos": Image.Resampling.LANCZOS, "box": Image.Resampling.BOX}
_CHUNK = 1024
"""Pictures that are decoded together."""
_WHOLE_CHUNK = min(8, os.cpu_count() or 1)
"""Pictures that are decoded together if each is kept in its own size: few, because two
chunks are in memory beside the pictures that are kept."""
_GREY_MODES = frozenset({"1", "L", "LA", "I", "F"} | {"I;16", "I;16L", "I;16B"})
"""Pillow's modes of pictures without colours."""
_LUMA = np.array([0.299, 0.587, 0.114])
"""Shares of red, green and blue in the brightness of a colour."""
_NAMED = 10
"""Maximum number of files that a message names."""
_RULES = 6
"""Version of the decoding. It must grow if files give other bytes than before, so that
cached ones are decoded again."""
_ORIGIN = np.dtype([("file", "<u4"), ("width", "<u4"), ("height", "<u4")])
"""Record stored beside the pixels of a picture: the index of its file among the names,
and its own size."""


class SplitPictures(NamedTuple):
    """The pictures of one split.

    values: (N, C, H, W), in 0..V-1.
    origins: (N,), records with fields `file`, the index of the picture's file among the
        names, and `width` and `height`, the size that it had there.
    """

    values: Values
    origins: npt.NDArray[np.void]


def read_pictures(
    root: Path,
    names: Sequence[str],
    split: Split,
    config: NetworkConfig,
    options: ReadOptions,
) -> Values:
    """Return the named files of a folder as (N, C, H, W) in 0..V-1, of the network's
    size (`fit`), mapped from the cache, which is written first if they are not there.
    Files that cannot be read are left out, with one warning in the log.

    root: the folder.
    names: paths relative to it.
    split: part of the file's name in the cache, and nothing else.
    config: of the network.
    options: how pictures are read, and where the cache is.

    Raises DataError if no file can be read, or if the cache cannot be written.
    """

    def blocks() -> Iterator[Values]:
        def look(image: Image.Image, _: int) -> Pixels:
            return fit(image, config, options)

        for images in decode_each(root, names, look):
            yield quantise(np.stack(images), config.levels)

    name = f"{root.name or 'images'}-{split}-{config.width}x{config.height}"
    return cached_values(
        options.cache_dir,
        name,
        _facts(root, names, config, options),
        _shape(config),
        blocks,
    )


def read_split_pictures(
    root: Path, names: Sequence[str], config: NetworkConfig, options: ReadOptions
) -> dict[Split, SplitPictures]:
    """Return the named files like `read_pictures`, divided into splits by the pixels of
    each picture, with the file and the size that each picture had. One pass decodes all
    of them. Very few pictures are divided by `few_split`. Arguments and errors are
    those of `read_pictures`."""
    splits = get_args(Split)

    def look(
        image: Image.Image, number: int
    ) -> tuple[float, Pixels, tuple[int, int, int]]:
        picture = upright(image)
        return (
            _share_of(picture),
            fit(picture, config, options),
            (number, *picture.size),
        )

    def blocks() -> Iterator[tuple[tuple[Split, str], Values]]:
        for found in decode_each(root, names, look):
            shares = [share for share, *_ in found]
            split_of_each = [split_at(share) for share in shares]
            if len(names) <= _CHUNK and len({*split_of_each}) < len(splits):
                split_of_each = few_split(shares)
            for split in splits:
                ours = [
                    picture
                    for each, picture in zip(split_of_each, found, strict=True)
                    if each == split
                ]
                if not ours:
                    continue
                pixels = np.stack([picture for _, picture, _ in ours])
                origins = np.array([origin for _, _, origin in ours], _ORIGIN)
                yield (split, ""), quantise(pixels, config.levels)
                yield (split, "-origins"), origins.view(np.uint8)

    name = f"{root.name or 'images'}-{config.width}x{config.height}"
    shapes = {"": _shape(config), "-origins": (_ORIGIN.itemsize,)}
    parts = {
        (split, kind): (f"{name}-{split}{kind}", shape)
        for split in splits
        for kind, shape in shapes.items()
    }
    read = cached_parts(
        options.cache_dir, _facts(root, names, config, options), parts, blocks
    )
    return {
        split: SplitPictures(
            read[split, ""], read[split, "-origins"].view(_ORIGIN)[:, 0]
        )
        for split in splits
    }


def read_whole_pictures(
    root: Path, names: Sequence[str], config: NetworkConfig, options: ReadOptions
) -> Iterator[Values]:
    """Yield the named files in their own sizes, each (C, H, W) in 0..V-1. Nothing is
    cached. Files that cannot be read are left out, with one warning in the log at the
    end; DataError is raised then if none can be read.

    root: the folder.
    names: paths relative to it.
    options: `crops` is True.
    """

    def look(image: Image.Image, _: int) -> Values:
        return quantise(fit(image, config, options), config.levels)

    chunks = decode_each(root, names, look, at_once=_WHOLE_CHUNK)
    return chain.from_iterable(chunks)


def unpacked_size(root: Path, names: Sequence[str], channels: int | None) -> int:
    """Return the bytes that the named pictures have as arrays (C, H, W) in their own
    sizes, all together, according to their headers.

    root: the folder.
    names: paths relative to it.
    channels: C of all pictures; None: 1 for a grey picture, otherwise 3. A file that
        cannot be read counts as 0 bytes.
    """
    return sum(_unpacked_size(root / name, channels) for name in names)


def _unpacked_size(path: Path, channels: int | None) -> int:
    try:
        with Image.open(path) as image:
            is_grey = image.mode in _GREY_MODES
            return image.width * image.height * (channels or (1 if is_grey else 3))
    except PICTURE_ERRORS:
        return 0


def converted_pictures(
    root: Path, names: Sequence[str], config: NetworkConfig, palette: Palette = ()
) -> int:
    """Return how many of the named files would change for this network, because they
    have another size, or colours or transparency that no value has. Files that cannot
    be read do not count."""

    def is_converted(image: Image.Image, _: int) -> bool:
        picture = upright(image)
        if picture.size != (config.width, config.height):
            return True
        if palette:
            return match_colours(picture, palette, nearest=True, name="").moved > 0
        plain = opaque(picture, config.channels)
        # Pillow's `!=` would compare texts and other facts beside the pixels too.
        if plain.convert("RGBA").tobytes() != picture.convert("RGBA").tobytes():
            return True
        pixels = np.asarray(plain).reshape(config.height, config.width, config.channels)
        return nearest_values(pixels.transpose(2, 0, 1), config.values)[1] > 0

    chunks = decode_each(root, names, is_converted, report=False)
    return sum(sum(chunk) for chunk in chunks)


def split_of(picture: Image.Image) -> Split:
    """Return the split of an upright picture. It depends on the pixels only, so that
    neither the file format nor the network matters."""
    return split_at(_share_of(picture))


def _share_of(picture: Image.Image) -> float:
    """Return the place of a picture between 0 and 1, by the hash of its pixels as RGB,
    or as RGBA if it is transparent and all of them have one colour."""
    colours = picture.convert("RGB")
    if picture.has_transparency_data and colours.getcolors(1) is not None:
        pixels = picture.convert("RGBA")
        # Icons in one colour differ by their opacity alone.
        if pixels.getchannel("A").getextrema() != (255, 255):
            return hashed_share(pixels.tobytes())
    return hashed_share(colours.tobytes())


def find_palette(
    root: Path,
    names: Sequence[str],
    config: NetworkConfig,
    most: int,
    crops: bool = False,
) -> tuple[Palette, int]:
    """Return at most `most` colours for the named files, as text, from dark to bright
    with transparent first; and how many different colours the examined pixels have. If
    these are more than `most`, the result is a median cut of them.

    config, crops: the pixels that are examined are those of which a network with this
        config would learn: the centred part of its proportions, resized without a
        filter; with `crops`, all pixels.

    Files that cannot be read are left out. Raises DataError if none can be read.
    """

    def look(image: Image.Image, _: int) -> Pixels:
        return _cut(image, config, crops).reshape(-1, 4)

    chunks = decode_each(root, names, look, report=False)
    found = [np.concatenate(chunk) for chunk in chunks]
    if not found:
        raise DataError(
            f"none of {len(names)} files in {root} can be read as a picture"
        )
    pixels = np.concatenate(found)
    colours, counts = np.unique(one_transparent(pixels), axis=0, return_counts=True)
    chosen = colours if len(colours) <= most else median_cut(colours, counts, most)
    # Opacity counts more than brightness, which is at most 255.
    brightness = (chosen[:, :3] @ _LUMA) + chosen[:, 3] * 1000.0
    order = np.argsort(brightness, kind="stable")
    return palette_of(chosen[order]), len(colours)


def _cut(image: Image.Image, config: NetworkConfig, crops: bool) -> Pixels:
    """Return the part of a picture that `fit` takes, resized without a filter:
    (H, W, 4)."""
    picture = upright(image).convert("RGBA")
    if not crops:
        size = config.width, config.height
        picture = ImageOps.fit(picture, size, Image.Resampling.NEAREST)
    return np.asarray(picture)


def fit(image: Image.Image, config: NetworkConfig, options: ReadOptions) -> Pixels:
    """Return the largest centred part of an image with the network's proportions,
    resized to its size: bytes 0..255, (C, H, W). With `options.crops` return the whole
    image in its own size.

    With `options.palette` the bytes are the categories of the nearest colours instead,
    (1, H, W).
    """
    if options.palette:
        part = Image.fromarray(_cut(image, config, options.crops))
        return match_colours(part, options.palette, nearest=True, name="").values
    fitted = opaque(upright(image), config.channels)
    if not options.crops:
        size = config.width, config.height
        fitted = ImageOps.fit(fitted, size, _FILTERS[options.resize])
    pixels = np.asarray(fitted).reshape(fitted.height, fitted.width, config.channels)
    return pixels.transpose(2, 0, 1)


def _facts(
    root: Path, names: Sequence[str], config: NetworkConfig, options: ReadOptions
) -> list[Any]:
    """Return everything that the decoded bytes depend on, except their shape."""
    files = [_state(root, name) for name in names]
    facts = [str(root.resolve()), files, options.resize, config.values, _RULES]
    return [*facts, options.palette] if options.palette else facts


def _state(root: Path, name: str) -> list[Any]:
    """Return facts that change with a file, including a change of its permissions
    (ctime); only the name if the file is gone."""
    try:
        state = (root / name).stat()
    except OSError:
        return [name]
    return [name, state.st_size, state.st_mtime_ns, state.st_ctime_ns]


def _shape(config: NetworkConfig) -> tuple[int, int, int]:
    return config.channels, config.height, config.width


def decode_each(
    root: Path,
    names: Sequence[str],
    look: Callable[[Image.Image, int], Found],
    report: bool = True,
    at_once: int = _CHUNK,
) -> Iterator[list[Found]]:
    """Yield the results of `look` for all files that can be read, in their order, in
    lists for `at_once` files each. Lists without a result are left out. Files are
    decoded in as many threads as there are CPU cores, and progress is shown if stderr
    is a terminal.

    root: the folder.
    names: paths relative to it.
    look: receives the opened image and the index of its name; called in several
        threads. If it raises an error of a damaged picture, the file counts as one that
        cannot be read.
    report: True: at the end, log a warning that names files that cannot be read, and
        raise DataError if all are.
    """
    unreadable: list[str] = []
    # Files for which there was not enough memory beside those of other threads.
    lacking: list[int] = []
    console = Console(stderr=True)

    def read(number: int, alone: bool = False) -> Found | None:
        try:
            with Image.open(root / names[number]) as image:
                return look(image, number)
        except PICTURE_ERRORS as error:
            if isinstance(error, MemoryError) and not alone:
                lacking.append(number)
            else:
                unreadable.append(names[number])
            return None

    chunks = range(0, len(names), at_once)
    # Threads are enough: Pillow decodes and resizes without holding the GIL.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in track(
            chunks,
            f"reading {root.name}",
            console=console,
            disable=not console.is_terminal,
        ):
            numbers = range(start, min(start + at_once, len(names)))
            with warnings.catch_warnings():
                # Pillow warns of odd files that it reads nevertheless.
                warnings.simplefilter("ignore")
                results = list(pool.map(read, numbers))
                for number in lacking:
                    results[number - start] = read(number, alone=True)
                lacking.clear()
            found = [one for one in results if one is not None]
            if found:
                yield found
    if report:
        _report(root, sorted(unreadable), len(names))


def first_names(names: Sequence[str]) -> str:
    """Return the first ten names as text, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _report(root: Path, unreadable: list[str], count: int) -> None:
    if not unreadable:
        return
    sentence = (
        f"{len(unreadable)} of {count} files in {root} cannot be read as images: "
        f"{first_names(unreadable)}"
    )
    if len(unreadable) == count:
        raise DataError(sentence)
    _log.warning("%s; they are left out", sentence)
