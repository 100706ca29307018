"""CIFAR-10 in its two official forms: binary records, and the pickles of the Python
version."""

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
_VALID_SHARE = 10
"""The last tenth (5,000) of the 50,000 training images is the validation split."""


@dataclass(frozen=True)
class Cifar10:
    """CIFAR-10 in one of its official forms, in binary records or in pickles.

    directory: where the batches are. description: for a model's card.
    """

    directory: Path
    description: str = (
        "CIFAR-10 (45,000 / 5,000 / 10,000: the last 5,000 training images validate)"
    )

    @classmethod
    def recognise(cls, path: Path, options: ReadOptions) -> Self | None:
        """Return the data set if `path`, or its subdirectory cifar-10-batches-bin or
        cifar-10-batches-py, contains at least one batch of either form; otherwise
        None."""
        for name in _DIRECTORIES:
            directory = path / name
            if any(_find(directory, batch) for batch in (*_TRAIN, "test_batch")):
                return cls(directory)
        return None

    def read(self, split: Split, config: NetworkConfig) -> Values:
        """Return the images of a split, (N, 3, 32, 32), in 0..V-1. The last tenth of
        the training images is the validation split. Raises DataError if a batch is
        missing or damaged."""
        return quantise(self._images_and_numbers(split)[0], config.values)

    def read_labelled(
        self, split: Split, config: NetworkConfig
    ) -> tuple[Values, Labels]:
        """Return the images of a split, uint8 (N, C, H, W) in 0..V-1, and their labels.
        Raises DataError if a batch is missing or damaged."""
        images, numbers = self._images_and_numbers(split)
        labels = Labels.from_numbers(numbers, _NAMES, self.directory)
        return quantise(images, config.values), labels

    def _images_and_numbers(self, split: Split) -> tuple[Pixels, npt.NDArray[Any]]:
        """Return images (N, 3, 32, 32), and label numbers (N,), or (0,) if the files
        have none."""
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
        """Return the images and the label numbers of one file."""
        path = _find(self.directory, name)
        if path is None:
            raise DataError(
                f"CIFAR-10 in {self.directory} is incomplete: there is no {name} or "
                f"{name}.bin"
            )
        return _records(path) if path.suffix == ".bin" else _arrays(path)


def _find(directory: Path, name: str) -> Path | None:
    candidates = (directory / f"{name}.bin", directory / name)
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _records(path: Path) -> tuple[Pixels, Pixels]:
    """Return the images and label numbers of a binary batch: records of one label byte,
    then 1024 red, 1024 green and 1024 blue bytes, row by row."""
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
    """Return the images and label numbers of a pickled batch: a dictionary with an
    array `data` (N, 3072), each row as in the binary form, and a list `labels`, which
    may be missing."""
    batch = load_plain_pickle(path)
    data = batch.get(b"data", batch.get("data")) if isinstance(batch, dict) else None
    pixels = data.array() if isinstance(data, PickledArray) else None
    if pixels is None or pixels.shape[1:] != (_PIXELS,):
        raise DataError(
            f"{path} is not a CIFAR-10 batch: expected an array `data` of (N, "
            f"{_PIXELS}) bytes"
        )
    labels = batch.get(b"labels", batch.get("labels"))
    if not isinstance(labels, list):
        return pixels.reshape(-1, *_SHAPE), np.empty(0, np.uint8)
    # Checked in each batch: missing labels of one and extra labels of another would
    # give the right total.
    expect_one_each(labels, pixels, path)
    return pixels.reshape(-1, *_SHAPE), np.array(labels)
