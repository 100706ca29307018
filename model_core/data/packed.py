"""Binarized MNIST in one .npz: arrays train, valid, test of (N, 98) bytes, eight pixels a byte, first pixel highest."""

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

_NAME = "binarized_mnist.npz"
_SIDE = 28
_WIDTH = _SIDE * _SIDE // 8


@dataclass(frozen=True)
class PackedFile:
    """A .npz of packed bits, or the directory that holds binarized_mnist.npz."""

    path: Path
    description: str = BINARIZED_MNIST

    @classmethod
    def recognise(cls, path: Path, options: ReadOptions) -> Self | None:
        """The data set at this path, or None."""
        candidate = path / _NAME if path.is_dir() else path
        is_one = candidate.is_file() and (candidate.name == _NAME or _holds_bits(candidate))
        return cls(candidate) if is_one else None

    def read(self, split: Split, config: NetworkConfig) -> Values:
        """(N, 1, 28, 28) of 0 and 1; DataError when the file is damaged or the network is not binary."""
        if config.values != 2:
            raise DataError(f"binarized MNIST has 2 values for a pixel, but the network takes {config.values}")
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                packed = arrays[split]
        except ARRAY_ERRORS as error:
            raise DataError(f"cannot read the {split} split of {self.path}: {error or type(error).__name__}") from None
        if packed.dtype != np.uint8 or packed.ndim != 2 or packed.shape[1] != _WIDTH:
            raise DataError(f"{self.path} is not binarized MNIST: expected {split} of (N, {_WIDTH}) bytes")
        return np.unpackbits(packed, axis=1).reshape(-1, 1, _SIDE, _SIDE)


def _holds_bits(path: Path) -> bool:
    """True if another .npz has arrays of this kind: 98 bytes an image, where the pixels of images have more axes."""
    if path.suffix != ".npz":
        return False
    shapes = [StoredArray(path, key).shape for key in archive_keys(path) if key in get_args(Split)]
    return any(len(shape) == 2 and shape[1] == _WIDTH for shape in shapes)
