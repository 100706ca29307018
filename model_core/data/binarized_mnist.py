"""Binarized MNIST in two forms: its official text files, one image per line, 784 times
0 or 1; and one .npz with arrays train, valid and test of (N, 98) bytes, eight pixels
per byte, the first pixel in the highest bit."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self, get_args

import numpy as np

from model_core.config import NetworkConfig
from model_core.data.damaged import ARRAY_ERRORS
from model_core.data.npy import StoredArray, archive_keys
from model_core.data.options import ReadOptions
from model_core.data.splits import BINARIZED_MNIST, Split, Values
from model_core.errors import DataError

_TEXT, _ARCHIVE = "binarized_mnist_{split}.amat", "binarized_mnist.npz"
_SIDE = 28
_PIXELS = _SIDE * _SIDE
_WIDTH = _PIXELS // 8


@dataclass(frozen=True)
class AmatFiles:
    """Binarized MNIST as a directory with binarized_mnist_{train,valid,test}.amat.

    directory: the directory. description: for a model's card.
    """

    directory: Path
    description: str = BINARIZED_MNIST

    @classmethod
    def recognise(cls, path: Path, options: ReadOptions) -> Self | None:
        """Return the data set if `path` is such a directory with at least one of the
        files, or a file with the suffix .amat, which stands for its directory;
        otherwise None."""
        directory = path if path.is_dir() else path.parent
        is_one = path.suffix == ".amat" or (
            path.is_dir() and any(path.glob(_TEXT.format(split="*")))
        )
        return cls(directory) if is_one else None

    def read(self, split: Split, config: NetworkConfig) -> Values:
        """Return the images of a split, (N, 1, 28, 28), 0 or 1. Raises DataError if
        they cannot be read or the network does not have two values."""
        _expect_binary(config)
        path = self.directory / _TEXT.format(split=split)
        if not path.is_file():
            raise DataError(f"the {split} split needs {path}, which is not there")
        return _parse(path)


def _expect_binary(config: NetworkConfig) -> None:
    if config.values != 2:
        raise DataError(
            "binarized MNIST has 2 values for a pixel, but the network takes "
            f"{config.values}"
        )


def _parse(path: Path) -> Values:
    """Return the images (N, 1, 28, 28) of a text file. Raise DataError if it has other
    lines."""
    # Without spaces and carriage returns every line has the same length, so the file
    # can be read as a table of bytes.
    text = path.read_bytes().replace(b"\r", b"").replace(b" ", b"")
    text = text.rstrip(b"\n") + b"\n"
    if len(text) % (_PIXELS + 1) == 0:
        table = np.frombuffer(text, np.uint8).reshape(-1, _PIXELS + 1)
        digits = table[:, :_PIXELS] - ord("0")
        if digits.max(initial=0) <= 1 and (table[:, _PIXELS] == ord("\n")).all():
            return digits.reshape(-1, 1, _SIDE, _SIDE)
    raise DataError(
        f"{path} is not binarized MNIST: expected lines of {_PIXELS} digits 0 or 1"
    )


@dataclass(frozen=True)
class PackedFile:
    """Binarized MNIST as a .npz of packed bits, eight pixels in each byte.

    path: the file. description: for a model's card.
    """

    path: Path
    description: str = BINARIZED_MNIST

    @classmethod
    def recognise(cls, path: Path, options: ReadOptions) -> Self | None:
        """Return the data set if `path` is a directory with a binarized_mnist.npz, is a
        file of that name, or is a .npz whose train, valid or test array has the shape
        (N, 98); otherwise None."""
        candidate = path / _ARCHIVE if path.is_dir() else path
        is_one = candidate.is_file() and (
            candidate.name == _ARCHIVE or _holds_bits(candidate)
        )
        return cls(candidate) if is_one else None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of images of all splits, height and width. Raises DataError if the
        file cannot be read."""
        arrays = _arrays_of_splits(self.path)
        return sum(array.shape[0] for array in arrays), _SIDE, _SIDE

    def read(self, split: Split, config: NetworkConfig) -> Values:
        """Return the images of a split, (N, 1, 28, 28), 0 or 1. Raises DataError if
        they cannot be read or the network does not have two values."""
        _expect_binary(config)
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                packed = arrays[split]
        except ARRAY_ERRORS as error:
            raise DataError(
                f"cannot read the {split} split of {self.path}: "
                f"{error or type(error).__name__}"
            ) from None
        if packed.dtype != np.uint8 or packed.ndim != 2 or packed.shape[1] != _WIDTH:
            raise DataError(
                f"{self.path} is not binarized MNIST: expected {split} of (N, "
                f"{_WIDTH}) bytes"
            )
        return np.unpackbits(packed, axis=1).reshape(-1, 1, _SIDE, _SIDE)


def _holds_bits(path: Path) -> bool:
    """Return True if a .npz has arrays of packed bits: (N, 98), while images have more
    axes."""
    if path.suffix != ".npz":
        return False
    shapes = [array.shape for array in _arrays_of_splits(path)]
    return any(len(shape) == 2 and shape[1] == _WIDTH for shape in shapes)


def _arrays_of_splits(path: Path) -> list[StoredArray]:
    """Return those arrays of a .npz that are named after a split."""
    keys = [key for key in archive_keys(path) if key in get_args(Split)]
    return [StoredArray(path, key) for key in keys]
