"""CIFAR-10 in its two official layouts: binary records, and the pickles of the python version."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from model_core.config import NetworkConfig
from model_core.data.labels import Labels, expect_one_each
from model_core.data.options import ReadOptions
from model_core.data.plain_pickle import PickledArray, load_plain_pickle
from model_core.data.splits import Pixels, Split, Values, quantise
from model_core.errors import DataError

_DIRECTORIES = (".", "cifar-10-batches-bin", "cifar-10-batches-py")
_TRAIN = tuple(f"data_batch_{i}" for i in range(1, 6))
_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32
_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
_VALID_SHARE = (
    10  # of the 50,000 training images, the last 5,000 are the validation split
)


@dataclass(frozen=True)
class Cifar10:
    """The directory that holds the batches of either layout, or the one that holds that directory."""

    directory: Path
    description: str = (
        "CIFAR-10 (45,000 / 5,000 / 10,000: the last 5,000 training images validate)"
    )

    @classmethod
    def recognise(cls, path: Path, options: ReadOptions) -> Self | None:
        """The data set at this path, or None."""
        places = (path / name for name in _DIRECTORIES)
        return next(
            (
                cls(place)
                for place in places
                if any(_find(place, name) for name in (*_TRAIN, "test_batch"))
            ),
            None,
        )

    def read(self, split: Split, config: NetworkConfig) -> Values:
        """(N, 3, 32, 32) in 0..V-1; DataError for a missing or damaged batch."""
        return quantise(self._images_and_numbers(split)[0], config.values)

    def labelled(self, split: Split, config: NetworkConfig) -> tuple[Values, Labels]:
        """The same, and their labels; DataError as in read."""
        images, labels = self._images_and_numbers(split)
        return quantise(images, config.values), Labels.numbered(
            labels, _NAMES, self.directory
        )

    def _images_and_numbers(self, split: Split) -> tuple[Pixels, npt.NDArray[Any]]:
        """Images (N, 3, 32, 32) and label numbers (N,), or none."""
        names = ("test_batch",) if split == "test" else _TRAIN
        images, labels = (
            np.concatenate(parts)
            for parts in zip(*map(self._batch, names), strict=True)
        )
        if split == "test":
            return images, labels
        first_valid = len(images) - len(images) // _VALID_SHARE
        part = slice(first_valid) if split == "train" else slice(first_valid, None)
        return images[part], labels[part]

    def _batch(self, name: str) -> tuple[Pixels, npt.NDArray[Any]]:
        if (path := _find(self.directory, name)) is None:
            raise DataError(
                f"CIFAR-10 in {self.directory} is not whole: there is no {name} or {name}.bin"
            )
        return _records(path) if path.suffix == ".bin" else _arrays(path)


def _find(directory: Path, name: str) -> Path | None:
    candidates = (directory / f"{name}.bin", directory / name)
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _records(path: Path) -> tuple[Pixels, Pixels]:
    """Records of one label byte, then 1024 red, 1024 green and 1024 blue bytes, row by row."""
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    if len(data) % (1 + _PIXELS) or not len(data):
        raise DataError(
            f"{path} is damaged: {len(data)} bytes are not records of {1 + _PIXELS}"
        )
    records = data.reshape(-1, 1 + _PIXELS)
    return records[:, 1:].reshape(-1, *_SHAPE), records[:, 0]


def _arrays(path: Path) -> tuple[Pixels, npt.NDArray[Any]]:
    """The array `data` (N, 3072) of a pickled dictionary, each row as in the binary layout, and the list `labels`, if
    there is one."""
    batch = load_plain_pickle(path)
    data = batch.get(b"data", batch.get("data")) if isinstance(batch, dict) else None
    pixels = data.array() if isinstance(data, PickledArray) else None
    if pixels is None or pixels.shape[1:] != (_PIXELS,):
        raise DataError(
            f"{path} is not a CIFAR-10 batch: expected an array `data` of (N, {_PIXELS}) bytes"
        )
    labels = batch.get(b"labels", batch.get("labels"))
    if not isinstance(labels, list):
        return pixels.reshape(-1, *_SHAPE), np.empty(0, np.uint8)
    expect_one_each(
        labels, pixels, path
    )  # of each batch: another one could make up for what this one lacks
    return pixels.reshape(-1, *_SHAPE), np.array(labels)
