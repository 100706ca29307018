"""Many picture files, decoded in parallel and fitted to a network's size."""

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
from model_core.data.cache import cached, cached_parts
from model_core.data.damaged import PICTURE_ERRORS
from model_core.data.opaque import opaque
from model_core.data.options import ReadOptions
from model_core.data.palette import Palette, median_cut, one_transparent, taken, written
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
_WHOLE_CHUNK = min(8, os.cpu_count() or 1)
"""Pictures that are decoded together if each is kept in its own size: few, because two
chunks are in memory beside the pictures that are kept."""
_GREY_MODES = frozenset({"1", "L", "LA", "I", "F"} | {"I;16", "I;16L", "I;16B"})
"""Pillow's modes of pictures without colours."""
_LUMA = np.array([0.299, 0.587, 0.114])
_NAMED = 10
_RULES = 4
"""Grows when files become other bytes than before: then they are decoded again."""
_ORIGIN = np.dtype([("file", "<u4"), ("width", "<u4"), ("height", "<u4")])
"""Kept beside the pixels of a picture: the number of its file among the names, and its own size."""


class SplitPictures(NamedTuple):
    """Pictures (N, C, H, W) of one split, and the `_ORIGIN` (N,) of each."""

    values: Values
    origins: npt.NDArray[np.void]


def read_pictures(
    root: Path,
    names: Sequence[str],
    split: Split,
    config: NetworkConfig,
    options: ReadOptions,
) -> Values:
    """The named files as (N, C, H, W) in 0..V-1, decoded once; unreadable ones are left out, with one warning.

    Raises DataError when there are names but none can be read.
    """

    def blocks() -> Iterator[Values]:
        for images in decoded(
            root, names, lambda image, _: fit(image, config, options)
        ):
            yield quantise(np.stack(images), config.levels)

    name = f"{root.name or 'images'}-{split}-{config.width}x{config.height}"
    return cached(
        options.cache_dir,
        name,
        _facts(root, names, config, options),
        _shape(config),
        blocks,
    )


def read_split_pictures(
    root: Path, names: Sequence[str], config: NetworkConfig, options: ReadOptions
) -> dict[Split, SplitPictures]:
    """The named files, as in read_pictures, each in the split that its pixels decide; one pass decodes all of them, and
    notes what each picture is from. Where they are so few that a split would be empty, `few_split` decides."""
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
        for found in decoded(root, names, look):
            shares = [share for share, *_ in found]
            of_each = [split_at(share) for share in shares]
            if len(names) <= _CHUNK and len({*of_each}) < len(splits):
                of_each = few_split(shares)
            for split in splits:
                if ours := [
                    one[1:]
                    for theirs, one in zip(of_each, found, strict=True)
                    if theirs == split
                ]:
                    yield (
                        (split, ""),
                        quantise(
                            np.stack([pixels for pixels, _ in ours]), config.levels
                        ),
                    )
                    yield (
                        (split, "-origins"),
                        np.array([origin for _, origin in ours], _ORIGIN).view(
                            np.uint8
                        ),
                    )

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
    """Yield the named files in their own sizes, each (C, H, W), otherwise as in read_pictures."""
    found = decoded(
        root,
        names,
        lambda image, _: quantise(fit(image, config, options), config.levels),
        at_once=_WHOLE_CHUNK,
    )
    return chain.from_iterable(found)


def unpacked_size(root: Path, names: Sequence[str], channels: int | None) -> int:
    """Return the bytes of pictures (C, H, W) in their own sizes, by their headers.

    channels: C of all; None: 1 of a grey picture, else 3. A file that cannot be read
    has none.
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
    """How many of the named files would not be taken as they are: of another size, or with colours that are none of the
    network's. Unreadable ones do not count."""

    def is_converted(image: Image.Image, _: int) -> bool:
        picture = upright(image)
        if palette:
            return (
                picture.size != (config.width, config.height)
                or taken(picture, palette, True, "").moved > 0
            )
        plain = opaque(picture, config.channels)
        if picture.size != (config.width, config.height) or plain.convert(
            "RGBA"
        ) != picture.convert("RGBA"):
            return True
        pixels = np.asarray(plain).reshape(config.height, config.width, config.channels)
        return nearest_values(pixels.transpose(2, 0, 1), config.values)[1] > 0

    return sum(sum(found) for found in decoded(root, names, is_converted, report=False))


def split_of(picture: Image.Image) -> Split:
    """The split of an upright picture: by its pixels as RGB, so that neither file format nor network matters."""
    return split_at(_share_of(picture))


def _share_of(picture: Image.Image) -> float:
    return hashed_share(picture.convert("RGB").tobytes())


def upright(image: Image.Image) -> Image.Image:
    """A picture as a person sees it: turned as its camera noted, and 16 bits cut to 8."""
    turned = ImageOps.exif_transpose(image)
    if turned.mode.startswith("I;16"):  # Pillow would clip 16 bits to white
        return Image.fromarray((np.asarray(turned) >> 8).astype(np.uint8))
    return turned


def find_palette(
    root: Path,
    names: Sequence[str],
    config: NetworkConfig,
    most: int,
    crops: bool = False,
) -> tuple[Palette, int]:
    """The colours of the named files, from dark to bright, and how many there were: the same, or where they were more
    than `most`, those of a median cut."""
    found = [
        np.concatenate(each)
        for each in decoded(
            root,
            names,
            lambda image, _: _cut(image, config, crops).reshape(-1, 4),
            report=False,
        )
    ]
    every = one_transparent(np.concatenate(found))
    colours, counts = np.unique(every, axis=0, return_counts=True)
    chosen = colours if len(colours) <= most else median_cut(colours, counts, most)
    order = np.argsort((chosen[:, :3] @ _LUMA) + chosen[:, 3] * 1000.0, kind="stable")
    return written(chosen[order]), len(colours)


def _cut(image: Image.Image, config: NetworkConfig, crops: bool) -> Pixels:
    """The same part as `fit` takes, of nearest pixels: (H, W, 4)."""
    picture, size = upright(image).convert("RGBA"), (config.width, config.height)
    return np.asarray(
        picture if crops else ImageOps.fit(picture, size, Image.Resampling.NEAREST)
    )


def fit(image: Image.Image, config: NetworkConfig, options: ReadOptions) -> Pixels:
    """The largest centred part of an image that has the network's proportions, resized: bytes (C, H, W). All of it as
    it is where crops are to be taken of it."""
    if options.palette:
        return taken(
            Image.fromarray(_cut(image, config, options.crops)),
            options.palette,
            nearest=True,
            name="",
        ).values
    fitted, size = (
        opaque(upright(image), config.channels),
        (config.width, config.height),
    )
    if not options.crops:
        fitted = ImageOps.fit(fitted, size, _FILTERS[options.resize])
    return (
        np.asarray(fitted)
        .reshape(fitted.height, fitted.width, config.channels)
        .transpose(2, 0, 1)
    )


def _facts(
    root: Path, names: Sequence[str], config: NetworkConfig, options: ReadOptions
) -> list[Any]:
    """All that the decoded bytes depend on, beside their shape."""
    files = [_state(root, name) for name in names]
    facts = [str(root.resolve()), files, options.resize, config.values, _RULES]
    return [*facts, options.palette] if options.palette else facts


def _state(root: Path, name: str) -> list[Any]:
    """Facts that change with a file, also when its rights are changed (ctime); of one that has gone its name."""
    try:
        state = (root / name).stat()
    except OSError:
        return [name]
    return [name, state.st_size, state.st_mtime_ns, state.st_ctime_ns]


def _shape(config: NetworkConfig) -> tuple[int, int, int]:
    return config.channels, config.height, config.width


def decoded(
    root: Path,
    names: Sequence[str],
    look: Callable[[Image.Image, int], Found],
    report: bool = True,
    at_once: int = _CHUNK,
) -> Iterator[list[Found]]:
    """Yield what `look` makes of each file that can be read, given its number, in order, `at_once` at a time. report:
    say which cannot."""
    unreadable: list[str] = []
    lacking: list[int] = []
    """Files for which there was not enough memory beside those of other threads."""
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
    with ThreadPoolExecutor(
        os.cpu_count()
    ) as pool:  # Pillow decodes and resizes without holding the interpreter
        for start in track(
            chunks,
            f"reading {root.name}",
            console=console,
            disable=not console.is_terminal,
        ):
            numbers = range(start, min(start + at_once, len(names)))
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore"
                )  # Pillow's, of files that it reads all the same
                results = list(pool.map(read, numbers))
                for number in lacking:
                    results[number - start] = read(number, alone=True)
                lacking.clear()
            if found := [one for one in results if one is not None]:
                yield found
    if report:
        _report(root, sorted(unreadable), len(names))


def _report(root: Path, unreadable: list[str], count: int) -> None:
    if not unreadable:
        return
    named = ", ".join(unreadable[:_NAMED]) + (
        f" and {len(unreadable) - _NAMED} more" if len(unreadable) > _NAMED else ""
    )
    sentence = f"{len(unreadable)} of {count} files in {root} cannot be read as images: {named}"
    if len(unreadable) == count:
        raise DataError(sentence)
    _log.warning("%s; they are left out", sentence)
