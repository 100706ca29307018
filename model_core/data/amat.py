"""The official files of binarized MNIST: text, one image a line, 784 times 0 or 1."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from model_core.config import NetworkConfig
from model_core.data.options import ReadOptions
from model_core.data.splits import BINARIZED_MNIST, Split, Values
from model_core.errors import DataError

_NAME = "binarized_mnist_{split}.amat"
_SIDE = 28


@dataclass(frozen=True)
class AmatFiles:
    """A directory with binarized_mnist_{train,valid,test}.amat; naming one of the files names the directory."""

    directory: Path
    description: str = BINARIZED_MNIST

    @classmethod
    def recognise(cls, path: Path, options: ReadOptions) -> Self | None:
        """The data set at this path, or None."""
        directory = path if path.is_dir() else path.parent
        is_one = path.suffix == ".amat" or (path.is_dir() and any(path.glob(_NAME.format(split="*"))))
        return cls(directory) if is_one else None

    def read(self, split: Split, config: NetworkConfig) -> Values:
        """(N, 1, 28, 28) of 0 and 1; DataError when the file is missing, is not binary, or the network is not."""
        if config.values != 2:
            raise DataError(f"binarized MNIST has 2 values for a pixel, but the network takes {config.values}")
        path = self.directory / _NAME.format(split=split)
        if not path.is_file():
            raise DataError(f"the {split} split needs {path}, which is not there")
        return _parse(path)


def _parse(path: Path) -> Values:
    # Each line is fixed-width, so the digits are every other byte once line ends are the same length everywhere.
    text = path.read_bytes().replace(b"\r", b"").replace(b" ", b"").rstrip(b"\n") + b"\n"
    pixels = _SIDE * _SIDE
    if len(text) % (pixels + 1):
        raise DataError(f"{path} is not binarized MNIST: expected lines of {pixels} digits 0 or 1")
    table = np.frombuffer(text, np.uint8).reshape(-1, pixels + 1)
    digits = table[:, :pixels] - ord("0")
    if digits.max(initial=0) > 1 or (table[:, pixels] != ord("\n")).any():
        raise DataError(f"{path} is not binarized MNIST: expected lines of {pixels} digits 0 or 1")
    return digits.reshape(-1, 1, _SIDE, _SIDE)
