"""Binarized MNIST in one .npz: arrays train, valid, test of (N, 98) bytes, eight pixels a byte, first pixel highest."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self
from zipfile import BadZipFile

import numpy as np

from model_core.data.splits import BINARIZED_MNIST, Split, Values
from model_core.errors import DataError

_NAME = "binarized_mnist.npz"
_SIDE = 28


@dataclass(frozen=True)
class PackedFile:
    """A .npz of packed bits, or the directory that holds binarized_mnist.npz."""

    path: Path
    description: str = BINARIZED_MNIST

    @classmethod
    def recognise(cls, path: Path) -> Self | None:
        """The data set at this path, or None."""
        candidate = path / _NAME if path.is_dir() else path
        return cls(candidate) if candidate.suffix == ".npz" and candidate.is_file() else None

    def read(self, split: Split, values: int) -> Values:
        """(N, 1, 28, 28) of 0 and 1; DataError when the file is damaged or the network is not binary."""
        if values != 2:
            raise DataError(f"binarized MNIST has 2 values for a pixel, but the network takes {values}")
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                packed = arrays[split]
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise DataError(f"cannot read the {split} split of {self.path}: {error}") from None
        width = _SIDE * _SIDE // 8
        if packed.dtype != np.uint8 or packed.ndim != 2 or packed.shape[1] != width:
            raise DataError(f"{self.path} is not binarized MNIST: expected {split} of (N, {width}) bytes")
        return np.unpackbits(packed, axis=1).reshape(-1, 1, _SIDE, _SIDE)
