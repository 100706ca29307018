"""Images as one array: a .npy, or a .npz with arrays train, valid and test or with a
single one. An array is (N, H, W) or (N, H, W, C).

A .npz may contain labels too: train_labels, valid_labels and test_labels, or `labels`
for a single array, all (N,) integers; and label_names. If the values are categories it
may have a `palette`: colours such as "#1a1c2c" or "#1a1c2cff".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Self, get_args

import numpy as np
import numpy.typing as npt

from model_core.config import NetworkConfig
from model_core.data.cache import cached_splits, cached_values
from model_core.data.damaged import ARRAY_ERRORS
from model_core.data.labels import Labels
from model_core.data.npy import StoredArray, archive_keys
from model_core.data.options import ReadOptions
from model_core.data.palette import MOST, Palette, colours_of, palette_of
from model_core.data.splits import (
    HASHED_SPLIT,
    Pixels,
    Split,
    Values,
    few_split,
    hashed_share,
    hashed_split,
    quantise,
    split_at,
)
from model_core.errors import DataError

Splits = npt.NDArray[np.str_]
"""(N,): the split of each image."""
_MOST_FEW = 1024
"""Images of an undivided array, at most, that are divided in another way if their hashes
would leave a split empty."""


@dataclass(frozen=True)
class ArrayFile:
    """A data set in a .npy or .npz file of bytes. An array that is not named after a
    split is divided into splits by the hash of each image, or by `few_split` if there
    are so few that a split would be empty.

    Bytes are pixels 0..255, unless no byte of the file is larger than V-1. Then they
    are already values, as in an array of 0 and 1 for a network of two values.
    """

    path: Path
    options: ReadOptions

    @classmethod
    def recognise(cls, path: Path, options: ReadOptions) -> Self | None:
        """Return the data set if `path` is a file with the suffix .npy or .npz,
        otherwise None. The file is not read."""
        if path.is_file() and path.suffix in (".npy", ".npz"):
            return cls(path, options)
        return None

    @property
    def description(self) -> str:
        """The file's name, how bytes become values, and how it is divided into splits;
        for a model's card. All bytes are read. Raises DataError if the file cannot be
        read."""
        split = "its own splits" if self._has_splits() else HASHED_SPLIT
        return (
            f"{self.path.name}, bytes 0 to {self._largest()} as the network's values, "
            f"{split}"
        )

    def read(self, split: Split, config: NetworkConfig) -> Values:
        """Return the images of a split as (N, C, H, W) in 0..V-1, in the size that they
        have in the file, mapped from the cache, which is written first if they are not
        there.

        Raises DataError if the file is no array of images of bytes, has no such split,
        or does not fit the network's categories or the palette of the options.
        """
        array = self._array(split)
        shape = _image_shape(array)
        state = self.path.stat()
        are_values = self._largest() < config.values
        self._check_categories(config)
        # What the cached values depend on.
        facts = [
            str(self.path.resolve()),
            state.st_size,
            state.st_mtime_ns,
            array.key,
            config.values,
            are_values,
        ]
        directory = self.options.cache_dir
        name = self.path.stem

        def values_of(block: Pixels) -> Values:
            images = _channels_first(block)
            return images if are_values else quantise(images, config.values)

        def own_blocks() -> Iterator[Values]:
            yield from map(values_of, array.blocks())

        if self._has_splits():
            return cached_values(directory, f"{name}-{split}", facts, shape, own_blocks)
        few = _few_splits(array)

        def hashed_blocks() -> Iterator[tuple[Split, Values]]:
            for block, splits in _with_splits(array, few):
                values = values_of(block)
                for each in get_args(Split):
                    yield each, values[splits == each]

        # Earlier versions kept empty splits of few images.
        facts += [] if few is None else ["few"]
        return cached_splits(directory, name, facts, shape, hashed_blocks)[split]

    def palette(self, config: NetworkConfig, most: int) -> tuple[Palette, str]:
        """Return the colours of the archive's values, and in words whose they are; no
        colours if it has no palette."""
        # `most` is not used: a palette is never shortened.
        stored = self._small_array("palette")
        colours = [] if stored is None else [str(each) for each in stored]
        try:
            return palette_of(colours_of(colours)), "the archive's"
        except ValueError as error:
            raise DataError(f"{self.path} has an invalid palette: {error}") from None

    def _check_categories(self, config: NetworkConfig) -> None:
        """Raise DataError if the values are not the network's categories, or have other
        colours."""
        largest = self._largest() if config.categories else 0
        if config.categories and largest >= config.values:
            raise DataError(
                f"{self.path} has the value {largest}, expected categories from 0 to "
                f"{config.values - 1}"
            )
        own, _ = self.palette(config, MOST) if self.options.palette else ((), "")
        if own and own != self.options.palette:
            raise DataError(
                f"{self.path} has another palette than the model: its values stand for "
                "other colours"
            )

    def read_labelled(
        self, split: Split, config: NetworkConfig
    ) -> tuple[Values, Labels]:
        """Return the images of a split, uint8 (N, C, H, W) in 0..V-1, and their labels.
        Raises DataError if the archive does not have one label for each image."""
        return self.read(split, config), self._labels(split)

    def _labels(self, split: Split) -> Labels:
        """Return the labels of a split. Raise DataError if there is not one for each
        image."""
        stored_names = self._small_array("label_names")
        names = None if stored_names is None else [str(name) for name in stored_names]
        if self._has_splits():
            every = [self._small_array(f"{each}_labels") for each in get_args(Split)]
            numbers = self._small_array(f"{split}_labels")
        else:
            numbers = self._small_array("labels")
            every = [numbers]
        count = self._array(split).shape[0]
        if numbers is None or numbers.shape != (count,):
            expected = f"{split}_labels" if self._has_splits() else "labels"
            raise DataError(
                f"{self.path} has no labels: expected an array {expected} of {count} "
                "whole numbers"
            )

        # Without names, the number of labels follows from the numbers of all splits.
        parts = [
            Labels.from_numbers(each, None, self.path).numbers
            for each in every
            if each is not None
        ]
        of_all = Labels.from_numbers(np.concatenate(parts), names, self.path)
        if self._has_splits():
            return Labels.from_numbers(numbers, of_all.names, self.path)
        array = self._array(split)
        parts = [splits for _, splits in _with_splits(array, _few_splits(array))]
        splits = np.concatenate(parts)
        return Labels(of_all.names, of_all.numbers[splits == split])

    def _small_array(self, key: str) -> npt.NDArray | None:
        """Return a small array of the archive; None if it is not there. Raise DataError
        if it cannot be read."""
        if key not in archive_keys(self.path):
            return None
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                return arrays[key]
        except ARRAY_ERRORS as error:
            raise DataError(
                f"cannot read {key} of {self.path}: {error or type(error).__name__}"
            ) from None

    def image_arrays(self) -> list[StoredArray]:
        """Return the arrays that hold the images: those that are named after a split,
        otherwise all that are neither labels nor a palette. They are not read."""
        if self.path.suffix == ".npy":
            return [StoredArray(self.path)]
        if self._has_splits():
            keys = [key for key in archive_keys(self.path) if key in get_args(Split)]
        else:
            keys = self._unnamed_keys()
        return [StoredArray(self.path, key) for key in keys]

    def _unnamed_keys(self) -> list[str]:
        """Return the names of the archive's arrays, except those of labels and a
        palette."""
        return [
            key
            for key in archive_keys(self.path)
            if "label" not in key and key != "palette"
        ]

    def _has_splits(self) -> bool:
        return self.path.suffix == ".npz" and not set(get_args(Split)).isdisjoint(
            archive_keys(self.path)
        )

    def _largest(self) -> int:
        """Return the largest byte of all splits."""
        if self._has_splits():
            keys = sorted(set(archive_keys(self.path)) & set(get_args(Split)))
            arrays = [StoredArray(self.path, key) for key in keys]
        else:
            arrays = [self._array("train")]
        largest = 0
        for block in chain.from_iterable(array.blocks() for array in arrays):
            largest = max(largest, int(block.max(initial=0)))
            if largest == 255:
                break
        return largest

    def _array(self, split: Split) -> StoredArray:
        """Return the array that contains a split, or all images if the file is not
        divided. Raise DataError if there is none."""
        if self.path.suffix == ".npy":
            return StoredArray(self.path)
        keys = self._unnamed_keys()
        if self._has_splits() and split in keys:
            return StoredArray(self.path, split)
        if len(keys) == 1 and not self._has_splits():
            return StoredArray(self.path, keys[0])
        raise DataError(
            f"{self.path} has no {split} split: expected arrays train, valid and "
            "test, or one single array, "
            f"not {', '.join(keys) or 'none'}"
        )


def _image_shape(array: StoredArray) -> tuple[int, int, int]:
    """Return the shape (C, H, W) of an array's images. Raise DataError if they are not
    images."""
    shape = array.shape
    if (
        len(shape) not in (3, 4)
        or (len(shape) == 4 and shape[3] not in (1, 3))
        or 0 in shape[1:]
    ):
        raise DataError(
            f"{array}: expected images (N, H, W) or (N, H, W, C) with 1 or 3 colours, "
            f"not {shape}"
        )
    return (shape[3] if len(shape) == 4 else 1, shape[1], shape[2])


def _channels_first(block: Pixels) -> Pixels:
    """Return images as (N, C, H, W): block (N, H, W) or (N, H, W, C)."""
    return block[:, None] if block.ndim == 3 else block.transpose(0, 3, 1, 2)


def _with_splits(
    array: StoredArray, few: Splits | None
) -> Iterator[tuple[Pixels, Splits]]:
    """Yield the blocks of an array that is not divided, each with the split of its
    images, by the hashes of their bytes.

    few: the result of `_few_splits`.
    """
    first = 0
    for block in array.blocks():
        end = first + len(block)
        if few is None:
            splits = [hashed_split(image.tobytes()) for image in block]
            yield block, np.array(splits, dtype="U5")
        else:
            yield block, few[first:end]
        first = end


def _few_splits(array: StoredArray) -> Splits | None:
    """Return the splits of all images of an array, (N,), if they are so few that their
    hashes would leave a split empty; otherwise None."""
    count, *_ = array.shape
    if not 0 < count <= _MOST_FEW:
        return None
    shares = [
        hashed_share(image.tobytes()) for block in array.blocks() for image in block
    ]
    if {split_at(share) for share in shares} == set(get_args(Split)):
        return None
    return np.array(few_split(shares), dtype="U5")
