"""MNIST's own format, IDX: a big-endian header (type 0x0803, N, H, W) and then one byte a pixel; plain or gzipped."""

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from model_core.config import NetworkConfig
from model_core.data.options import ReadOptions
from model_core.data.splits import Split, Values, quantise
from model_core.errors import DataError

_FILES = {"train": "train-images-idx3-ubyte", "valid": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}
_HEADER = struct.Struct(">IIII")
_IMAGES_OF_BYTES = 0x0803
_VALID_SHARE = 6  # MNIST's custom: of the 60,000 training images, the last 10,000 are the validation split


@dataclass(frozen=True)
class IdxFiles:
    """A directory with MNIST's train and t10k images, or one IDX file of any name, which is then a test split only."""

    path: Path

    @classmethod
    def recognise(cls, path: Path, options: ReadOptions) -> Self | None:
        """The data set at this path, or None."""
        if path.is_dir():
            return cls(path) if any(_find(path, name) for name in _FILES.values()) else None
        return cls(path) if "idx3-ubyte" in path.name or path.suffix == ".idx" else None

    @property
    def description(self) -> str:
        """Named with its rule, because a thresholded image is not the binarized MNIST of the papers."""
        name = "MNIST" if self.path.is_dir() else self.path.name
        return f"{name}, bytes mapped to the network's values (2 values: white is 128 or more)"

    def read(self, split: Split, config: NetworkConfig) -> Values:
        """(N, 1, H, W) in 0..values-1; train and valid are the first 5/6 and the last 1/6 of the training file."""
        images = quantise(_parse(self._file(split)), config.values)[:, None]
        if split == "test":
            return images
        first_valid = len(images) - len(images) // _VALID_SHARE
        return images[:first_valid] if split == "train" else images[first_valid:]

    def _file(self, split: Split) -> Path:
        if self.path.is_dir():
            if (found := _find(self.path, _FILES[split])) is None:
                raise DataError(f"the {split} split needs {_FILES[split]} (or .gz) in {self.path}")
            return found
        own_name = _FILES[split] in self.path.name
        if (split == "test" and "train-" not in self.path.name) or own_name:
            return self.path
        raise DataError(f"{self.path} has no {split} split: name the directory that holds {_FILES[split]}")


def _find(directory: Path, name: str) -> Path | None:
    candidates = (directory / name, directory / f"{name}.gz")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _parse(path: Path) -> np.ndarray:
    """(N, H, W) bytes; DataError unless the header is that of images and as many bytes follow as it says."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path}: {error}") from None
    if len(data) < _HEADER.size:
        raise DataError(f"{path} is not an IDX file: it has only {len(data)} bytes")
    kind, count, height, width = _HEADER.unpack_from(data)
    if kind != _IMAGES_OF_BYTES:
        raise DataError(
            f"{path} is not an IDX file of images: it starts with {kind:#010x}, not {_IMAGES_OF_BYTES:#010x}"
        )
    if len(data) - _HEADER.size != count * height * width:
        raise DataError(f"{path} is damaged: its header says {count} images of {height}x{width}, the rest disagrees")
    return np.frombuffer(data, np.uint8, offset=_HEADER.size).reshape(count, height, width)
