"""MNIST's own format, IDX: a big-endian header (type 0x0803, N, H, W) and then one byte a pixel; plain or gzipped.

Labels have files of their own: type 0x0801, N, and one byte each.
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
_VALID_SHARE = 6  # MNIST's custom: of the 60,000 training images, the last 10,000 are the validation split


@dataclass(frozen=True)
class IdxFiles:
    """A directory with MNIST's train and t10k images, or one IDX file of any name, which is then a test split only."""

    path: Path

    @classmethod
    def recognise(cls, path: Path, options: ReadOptions) -> Self | None:
        """The data set at this path, or None."""
        if path.is_dir():
            return (
                cls(path)
                if any(_find(path, name) for name in _FILES.values())
                else None
            )
        return cls(path) if "idx3-ubyte" in path.name or path.suffix == ".idx" else None

    @property
    def description(self) -> str:
        """Named with its rule, because a thresholded image is not the binarized MNIST of the papers."""
        name = "MNIST" if self.path.is_dir() else self.path.name
        return f"{name}, bytes mapped to the network's values (2 values: white is 128 or more)"

    def read(self, split: Split, config: NetworkConfig) -> Values:
        """(N, 1, H, W) in 0..values-1; train and valid are the first 5/6 and the last 1/6 of the training file."""
        return _values(_parse(self._file(split)), split, config)

    def labelled(self, split: Split, config: NetworkConfig) -> tuple[Values, Labels]:
        """The same, and their labels; DataError when their file is missing, damaged, or of other images."""
        images = self._file(split)
        path = _find(self.path, _LABELS[split]) if self.path.is_dir() else None
        if path is None:
            raise DataError(
                f"labels of the {split} split need {_LABELS[split]} (or .gz) beside {images}"
            )
        numbers = _parse(path, _LABELS_OF_BYTES, axes=1)
        pixels = _parse(images)
        expect_one_each(
            numbers, pixels, path
        )  # of the whole file: a part may have as many by chance
        found = Labels.numbered(numbers, None, path)
        return _values(pixels, split, config), Labels(
            found.names, _part(found.of, split)
        )

    def _file(self, split: Split) -> Path:
        if self.path.is_dir():
            if (found := _find(self.path, _FILES[split])) is None:
                raise DataError(
                    f"the {split} split needs {_FILES[split]} (or .gz) in {self.path}"
                )
            return found
        own_name = _FILES[split] in self.path.name
        if (split == "test" and "train-" not in self.path.name) or own_name:
            return self.path
        raise DataError(
            f"{self.path} has no {split} split: name the directory that holds {_FILES[split]}"
        )


def _find(directory: Path, name: str) -> Path | None:
    candidates = (directory / name, directory / f"{name}.gz")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _values(pixels: Pixels, split: Split, config: NetworkConfig) -> Values:
    return _part(quantise(pixels, config.values)[:, None], split)


def _part(all_of_file: npt.NDArray[Number], split: Split) -> npt.NDArray[Number]:
    """The split of a file's images or labels: the last sixth of the training file is the validation split."""
    if split == "test":
        return all_of_file
    first_valid = len(all_of_file) - len(all_of_file) // _VALID_SHARE
    return all_of_file[:first_valid] if split == "train" else all_of_file[first_valid:]


def _parse(
    path: Path, expected: int = _IMAGES_OF_BYTES, axes: int = 3
) -> npt.NDArray[np.uint8]:
    """(N, H, W) bytes, or (N,); DataError unless the header is the one expected and as many bytes follow as it says."""
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
            f"{path} is not an IDX file of {of}: it starts with {kind:#010x}, not {expected:#010x}"
        )
    if len(data) - header.size != math.prod(shape):
        size = " of " + "x".join(map(str, shape[1:])) if axes > 1 else ""
        raise DataError(
            f"{path} is damaged: its header says {shape[0]} entries{size}, the rest disagrees"
        )
    return np.frombuffer(data, np.uint8, offset=header.size).reshape(shape)
