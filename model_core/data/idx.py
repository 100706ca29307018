"""MNIST's own format, IDX: a big-endian header (type 0x0803, N, H, W), then one byte
per pixel; plain or gzipped.

Labels are in files of their own: type 0x0801, N, then one byte per image.
"""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from model_core.config import NetworkConfig
from model_core.data.labels import Labels, expect_one_each
from model_core.data.options import ReadOptions
from model_core.data.splits import Number, Pixels, Split, Values, quantise
from model_core.errors import DataError

_FILES = {
    "train": "train-images-idx3-ubyte",
    "valid": "train-images-idx3-ubyte",
    "test": "t10k-images-idx3-ubyte",
}
_LABELS = {
    "train": "train-labels-idx1-ubyte",
    "valid": "train-labels-idx1-ubyte",
    "test": "t10k-labels-idx1-ubyte",
}
_IMAGES_OF_BYTES, _LABELS_OF_BYTES = 0x0803, 0x0801
_VALID_SHARE = 6
"""The last sixth (10,000) of the 60,000 training images is the validation split, as is
usual for MNIST."""


@dataclass(frozen=True)
class IdxFiles:
    """MNIST's images in IDX files, plain or gzipped: a directory with its training and
    t10k files, or one file.

    A file whose name contains that of MNIST's training images has the splits train and
    valid; any other file has the split test only.
    """

    path: Path

    @classmethod
    def recognise(cls, path: Path, options: ReadOptions) -> Self | None:
        """Return the data set if `path` is a directory with at least one of MNIST's
        files, or a file with idx3-ubyte in its name or with the suffix .idx; otherwise
        None."""
        if path.is_dir():
            is_one = any(_find(path, name) for name in _FILES.values())
        else:
            is_one = "idx3-ubyte" in path.name or path.suffix == ".idx"
        return cls(path) if is_one else None

    @property
    def description(self) -> str:
        """The name, and how bytes become values, for a model's card."""
        # A thresholded image is not one of the binarized MNIST of the papers.
        name = "MNIST" if self.path.is_dir() else self.path.name
        return (
            f"{name}, bytes mapped to the network's values (2 values: white is 128 or "
            "more)"
        )

    def read(self, split: Split, config: NetworkConfig) -> Values:
        """Return the images of a split, (N, 1, H, W), in 0..V-1. train is the first 5/6
        of the training file and valid the last 1/6. Raises DataError if the file is
        missing or damaged, or does not have this split."""
        return _values(_parse(self._file(split)), split, config)

    def read_labelled(
        self, split: Split, config: NetworkConfig
    ) -> tuple[Values, Labels]:
        """Return the images of a split, uint8 (N, C, H, W) in 0..V-1, and their labels,
        which only a directory can have. Raises DataError if it does not have one for
        each image."""
        images = self._file(split)
        path = _find(self.path, _LABELS[split]) if self.path.is_dir() else None
        if path is None:
            raise DataError(
                f"labels of the {split} split need {_LABELS[split]} (or .gz) beside "
                f"{images}"
            )
        numbers = _parse(path, _LABELS_OF_BYTES, axes=1)
        pixels = _parse(images)
        # Checked for the whole file: a part may have the right number by chance.
        expect_one_each(numbers, pixels, path)
        labels = Labels.from_numbers(numbers, None, path)
        values = _values(pixels, split, config)
        return values, Labels(labels.names, _part(labels.numbers, split))

    def _file(self, split: Split) -> Path:
        """Return the file with the images of a split. Raise DataError if there is
        none."""
        if self.path.is_dir():
            found = _find(self.path, _FILES[split])
            if found is None:
                raise DataError(
                    f"the {split} split needs {_FILES[split]} (or .gz) in {self.path}"
                )
            return found
        own_name = _FILES[split] in self.path.name
        if (split == "test" and "train-" not in self.path.name) or own_name:
            return self.path
        raise DataError(
            f"{self.path} has no {split} split: name the directory that holds "
            f"{_FILES[split]}"
        )


def _find(directory: Path, name: str) -> Path | None:
    candidates = (directory / name, directory / f"{name}.gz")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _values(pixels: Pixels, split: Split, config: NetworkConfig) -> Values:
    """Return the values (N, 1, H, W) of a split, given the bytes (M, H, W) of its
    file."""
    return _part(quantise(pixels, config.values)[:, None], split)


def _part(all_of_file: npt.NDArray[Number], split: Split) -> npt.NDArray[Number]:
    """Return the entries of a split, given all images or labels of its file."""
    if split == "test":
        return all_of_file
    first_valid = len(all_of_file) - len(all_of_file) // _VALID_SHARE
    return all_of_file[:first_valid] if split == "train" else all_of_file[first_valid:]


def _parse(
    path: Path, expected: int = _IMAGES_OF_BYTES, axes: int = 3
) -> npt.NDArray[np.uint8]:
    """Return the bytes of an IDX file: (N, H, W), or (N,) for labels. Raise DataError
    if it cannot be read, has another type, or is not as long as its header says.

    expected: the type.
    axes: of the array.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path}: {error}") from None
    header = struct.Struct(f">{1 + axes}I")
    if len(data) < header.size:
        raise DataError(f"{path} is not an IDX file: it has only {len(data)} bytes")
    kind, *shape = header.unpack_from(data)
    if kind != expected:
        of = "images" if expected == _IMAGES_OF_BYTES else "labels"
        raise DataError(
            f"{path} is not an IDX file of {of}: it starts with {kind:#010x}, not "
            f"{expected:#010x}"
        )
    if len(data) - header.size != math.prod(shape):
        size = " of " + "x".join(map(str, shape[1:])) if axes > 1 else ""
        raise DataError(
            f"{path} is damaged: its header says {shape[0]} entries{size}, the rest "
            "disagrees"
        )
    return np.frombuffer(data, np.uint8, offset=header.size).reshape(shape)
