"""Finds the properties of pictures on which the shape of a network for them depends, before any is fitted to one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from model_core.data.npy import StoredArray, archive_keys
from model_core.data.opaque import opaque
from model_core.data.palette import MOST as MOST_COLOURS
from model_core.data.picture_files import decoded, upright
from model_core.data.picture_names import find_pictures
from model_core.data.splits import Pixels, spread
from model_core.errors import DataError

_LOOKED_AT = 500
"""Pictures, spread over all: more would not tell more."""
_SIDE = 64
"""Pixels of a picture that are looked at, in each direction."""
_NEAR = 16
"""Bytes that a value may be off: files with losses are never quite black, or quite grey."""
_MOST, _NEARLY_ALL = 0.9, 0.95
_MOST_LABELS, _OF_A_LABEL = 10, 20
ARRAYS = frozenset({".npy", ".npz"})


@dataclass(frozen=True)
class Survey:
    """How many pictures there are; the size of most of them, else the median of their shorter sides, twice; and the
    fewest colours and values that show them."""

    pictures: int
    width: int
    height: int
    channels: int
    values: int
    colours: int
    """Colours that there are, where they are no greys and as few as a palette has; else 0."""
    labels: int
    """Folders that are labels: all pictures lie in a few of them, and in each there are enough to learn from."""


def survey(path: Path) -> Survey:
    """Look at a folder of pictures, or a file of arrays; DataError where there are none that can be read."""
    return _of_arrays(path) if path.suffix in ARRAYS else _of_folder(path)


def _of_folder(root: Path) -> Survey:
    names = find_pictures(root)
    if not names:
        raise DataError(
            f"no pictures in {root} and its folders: expected PNG, JPEG, WebP, GIF, BMP, TIFF or PNM files"
        )
    some = [names[i] for i in spread(np.arange(len(names)), _LOOKED_AT)]
    found = [
        one
        for chunk in decoded(
            root, some, lambda image, _: _look(upright(image)), report=False
        )
        for one in chunk
    ]
    if not found:
        raise DataError(
            f"none of {len(names)} files in {root} can be read as a picture"
        )
    sizes = [size for size, _ in found]
    ((width, height), count) = Counter(sizes).most_common(1)[0]
    if count < _MOST * len(sizes):
        width = height = int(np.median([min(size) for size in sizes]))
    return Survey(
        len(names),
        width,
        height,
        *_colours([pixels for _, pixels in found]),
        _labels(names),
    )


def _labels(names: Sequence[str]) -> int:
    counts = Counter(name.rpartition("/")[0].partition("/")[0] for name in names)
    is_told = (
        "" not in counts
        and 2 <= len(counts) <= _MOST_LABELS
        and min(counts.values()) >= _OF_A_LABEL
    )
    return len(counts) if is_told else 0


def _of_arrays(path: Path) -> Survey:
    keys = (
        [key for key in archive_keys(path) if "label" not in key and key != "palette"]
        if path.suffix == ".npz"
        else [None]
    )
    arrays = [StoredArray(path, key) if key else StoredArray(path) for key in keys]
    if not arrays or len(arrays[0].shape) not in (3, 4) or not arrays[0].shape[0]:
        raise DataError(
            f"{path} holds no pictures: expected arrays (N, H, W) or (N, H, W, C) of bytes"
        )
    first = next(iter(arrays[0].blocks()))[:_LOOKED_AT]
    if int(first.max(initial=0)) < 2:  # values already
        first = first * np.uint8(255)
    _, height, width = arrays[0].shape[:3]
    pixels = [image if image.ndim == 3 else image[..., None] for image in first]
    return Survey(
        sum(array.shape[0] for array in arrays),
        width,
        height,
        *_colours(pixels),
        labels=0,
    )


def _look(picture: Image.Image) -> tuple[tuple[int, int], Pixels]:
    """Its size, and some of its pixels (H', W', 3) as they are: a filter would make greys of black and white."""
    small = opaque(
        picture.resize(
            (min(picture.width, _SIDE), min(picture.height, _SIDE)),
            Image.Resampling.NEAREST,
        ),
        3,
    )
    return picture.size, np.asarray(small)


def _colours(pictures: list[Pixels]) -> tuple[int, int, int]:
    """Channels and values that show nearly all pixels of the pictures (H', W', C), and `Survey.colours`."""
    pixels = np.concatenate(
        [picture.reshape(-1, picture.shape[-1]) for picture in pictures]
    )
    is_grey = pixels.max(1).astype(int) - pixels.min(1) <= _NEAR
    if np.mean(is_grey) < _NEARLY_ALL:
        count = len(np.unique(pixels.astype(np.uint32) @ (1 << 16, 1 << 8, 1)))
        return 3, 256, count if count <= MOST_COLOURS else 0
    is_extreme = ((pixels <= _NEAR) | (pixels >= 255 - _NEAR)).all(1)
    return 1, 2 if np.mean(is_extreme) >= _NEARLY_ALL else 256, 0
