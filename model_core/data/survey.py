"""Find the properties of pictures that determine the shape of a network for them,
before they are fitted to one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from model_core.data.arrays import ArrayFile
from model_core.data.binarized_mnist import PackedFile
from model_core.data.opaque import opaque, upright
from model_core.data.options import ReadOptions
from model_core.data.palette import MOST as MOST_COLOURS
from model_core.data.picture_files import decode_each
from model_core.data.picture_names import find_pictures
from model_core.data.splits import Pixels, spread
from model_core.errors import DataError

_SAMPLE = 500
"""Pictures that are examined, spread over all; more would not change the result."""
_SIDE = 64
"""Pixels of a picture that are examined, in each direction."""
_TOLERANCE = 16
"""How far a byte may be from black, white or grey: files with lossy compression are
never exactly so."""
_MOST = 0.9
"""Share of the pictures that must have the same size."""
_NEARLY_ALL = 0.95
"""Share of the pixels that must be grey, or black or white."""
_MOST_LABELS = 10
"""Maximum number of folders that can be labels."""
_PER_LABEL = 20
"""Minimum number of pictures of each label."""
FEW_COLOURS = 16
"""Maximum number of colours for which a network of a palette is recommended."""
ARRAYS = frozenset({".npy", ".npz"})
"""Suffixes of files of arrays."""


@dataclass(frozen=True)
class Survey:
    """Properties of a collection of pictures; `survey` finds them.

    In a folder, at most 500 pictures are examined, spread evenly over all, and at most
    64 x 64 pixels of each. In a file of arrays, the first pictures of the first array
    are, at most 500, whole.

    pictures: number of all pictures; in a folder, of all picture files.
    width, height: in a folder, the size of nearly all examined pictures; otherwise both
        are the median of their shorter sides. For an array, its own size.
    channels: 1 if nearly all examined pixels are grey, with a tolerance for lossy
        compression; else 3. A picture without visible greys, such as a black drawing on
        a transparent ground, counts as one in colour: as greys all of it would be
        black. A 3-channel array has 3, because arrays are not converted.
    values: 2 if nearly all examined pixels are black or white, with the same tolerance,
        and both occur; else 256.
    """

    pictures: int
    width: int
    height: int
    channels: int
    values: int
    colours: int
    """Number of different colours of the examined pixels, if they are at most as many as
    a palette can have; of greys, if they are at most FEW_COLOURS. Else 0."""
    labels: int
    """Number of subfolders that can be labels: if all pictures are in 2 to 10 of them,
    with at least 20 pictures in each; else 0."""


def survey(path: Path) -> Survey:
    """Return the properties of the pictures in a folder and its subfolders, or in a
    .npy or .npz file. Raises DataError if there are none, or none that can be read."""
    return _of_arrays(path) if path.suffix in ARRAYS else _of_folder(path)


def _of_folder(root: Path) -> Survey:
    names = find_pictures(root)
    if not names:
        raise DataError(
            f"no pictures in {root} and its folders: expected PNG, JPEG, WebP, GIF, "
            "BMP, TIFF or PNM files"
        )
    some = [names[i] for i in spread(np.arange(len(names)), _SAMPLE)]

    def look(image: Image.Image, _: int) -> tuple[tuple[int, int], Pixels, bool]:
        return _look(upright(image))

    found = [*chain.from_iterable(decode_each(root, some, look, report=False))]
    if not found:
        raise DataError(
            f"none of {len(names)} files in {root} can be read as a picture"
        )
    sizes = [size for size, *_ in found]
    ((width, height), count) = Counter(sizes).most_common(1)[0]
    if count < _MOST * len(sizes):
        width = height = int(np.median([min(size) for size in sizes]))
    channels, values, colours = _colours([pixels for _, pixels, _ in found])
    if channels == 1 and np.mean([is_lost for *_, is_lost in found]) > 1 - _NEARLY_ALL:
        channels = 3
        values = 256
    return Survey(len(names), width, height, channels, values, colours, _labels(names))


def _labels(names: Sequence[str]) -> int:
    """Return `Survey.labels`, given the paths of the pictures."""
    counts = Counter(name.rpartition("/")[0].partition("/")[0] for name in names)
    are_labels = (
        "" not in counts  # a picture in no subfolder
        and 2 <= len(counts) <= _MOST_LABELS
        and min(counts.values()) >= _PER_LABEL
    )
    return len(counts) if are_labels else 0


def _of_arrays(path: Path) -> Survey:
    packed = PackedFile.recognise(path, ReadOptions())
    if packed is not None and packed.shape[0]:
        count, height, width = packed.shape
        return Survey(count, width, height, channels=1, values=2, colours=0, labels=0)
    arrays = ArrayFile(path, ReadOptions()).image_arrays()
    if not arrays or len(arrays[0].shape) not in (3, 4) or not arrays[0].shape[0]:
        raise DataError(
            f"{path} holds no pictures: expected arrays (N, H, W) or (N, H, W, C) of "
            "bytes"
        )
    first = next(iter(arrays[0].blocks()))[:_SAMPLE]
    if int(first.max(initial=0)) < 2:  # 0 and 1 are values, not pixels
        first = first * np.uint8(255)
    _, height, width = arrays[0].shape[:3]
    pixels = [image if image.ndim == 3 else image[..., None] for image in first]
    channels, values, colours = _colours(pixels)
    if pixels[0].shape[-1] == 3 and channels == 1:
        # No reader converts arrays to grey.
        channels = 3
        values = 256
    count = sum(array.shape[0] for array in arrays)
    return Survey(count, width, height, channels, values, colours, labels=0)


def _look(picture: Image.Image) -> tuple[tuple[int, int], Pixels, bool]:
    """Return the size of a picture; some of its pixels (H', W', 3), resized without a
    filter, which would turn black and white into greys; and whether nothing would be
    left of it in grey, because its transparent pixels become black there."""
    size = min(picture.width, _SIDE), min(picture.height, _SIDE)
    small = picture.resize(size, Image.Resampling.NEAREST)
    pixels = np.asarray(opaque(small, 3))
    is_lost = np.ptp(np.asarray(opaque(small, 1))) <= _TOLERANCE < np.ptp(pixels)
    return picture.size, pixels, bool(is_lost)


def _colours(pictures: list[Pixels]) -> tuple[int, int, int]:
    """Return the channels and values with which nearly all pixels of the pictures (H',
    W', C) can be shown, and `Survey.colours`."""
    pixels = np.concatenate(
        [picture.reshape(-1, picture.shape[-1]) for picture in pictures]
    )
    is_grey = pixels.max(1).astype(int) - pixels.min(1) <= _TOLERANCE
    if np.mean(is_grey) < _NEARLY_ALL:
        count = len(np.unique(pixels.astype(np.uint32) @ (1 << 16, 1 << 8, 1)))
        return 3, 256, count if count <= MOST_COLOURS else 0
    tones = len(np.unique(pixels))
    is_black = (pixels <= _TOLERANCE).all(1)
    is_white = (pixels >= 255 - _TOLERANCE).all(1)
    is_extreme = is_black | is_white
    # Small numbers alone, such as 0 to 4 in label maps, are values of their own: with
    # two values all of them would be black.
    has_both = bool(is_black.any() and is_white.any())
    values = 2 if has_both and np.mean(is_extreme) >= _NEARLY_ALL else 256
    return 1, values, tones if values > 2 and tones <= FEW_COLOURS else 0
