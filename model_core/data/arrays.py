"""Images as one array: .npy, or .npz with arrays train, valid, test or with a single one; (N, H, W) or (N, H, W, C).

A .npz may hold labels too: train_labels, valid_labels, test_labels, or `labels` of a single array, all (N,) whole
numbers; and label_names. Values that are categories may have a `palette`, of colours like "#1a1c2c" or "#1a1c2cff".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Self, get_args

import numpy as np
import numpy.typing as npt

from model_core.config import NetworkConfig
from model_core.data.cache import cached, cached_splits
from model_core.data.damaged import ARRAY_ERRORS
from model_core.data.labels import Labels
from model_core.data.npy import StoredArray, archive_keys
from model_core.data.options import ReadOptions
from model_core.data.palette import MOST, Palette, colours_of, written
from model_core.data.splits import (
    HASHED_SPLIT,
    Pixels,
    Split,
    Values,
    hashed_split,
    quantise,
)
from model_core.errors import DataError


@dataclass(frozen=True)
class ArrayFile:
    """A .npy or .npz of bytes. An array that is not named after a split is split by hash of its images.

    Bytes are pixels 0..255, unless no byte of the file is larger than V-1: then they are values already, as in an array
    of 0 and 1 for a network of two values.
    """

    path: Path
    options: ReadOptions

    @classmethod
    def recognise(cls, path: Path, options: ReadOptions) -> Self | None:
        """The data set at this path, or None."""
        return (
            cls(path, options)
            if path.is_file() and path.suffix in (".npy", ".npz")
            else None
        )

    @property
    def description(self) -> str:
        """The file's name, and who split it."""
        split = "its own splits" if self._has_splits() else HASHED_SPLIT
        return f"{self.path.name}, bytes 0 to {self._largest()} as the network's values, {split}"

    def read(self, split: Split, config: NetworkConfig) -> Values:
        """(N, C, H, W) in 0..V-1; DataError for other types or shapes, or a split that the archive lacks."""
        array = self._array(split)
        shape = _image_shape(array)
        state = self.path.stat()
        are_values = self._largest() < config.values
        self._check_categories(config)
        facts = [
            str(self.path.resolve()),
            state.st_size,
            state.st_mtime_ns,
            array.key,
            config.values,
            are_values,
        ]
        place, name = self.options.cache_dir, self.path.stem

        def values_of(block: Pixels) -> Values:
            return (
                _channels_first(block)
                if are_values
                else quantise(_channels_first(block), config.values)
            )

        def own_blocks() -> Iterator[Values]:
            yield from map(values_of, array.blocks())

        def hashed_blocks() -> Iterator[tuple[Split, Values]]:
            for block in array.blocks():
                values, splits = values_of(block), _splits_of(block)
                for each in get_args(Split):
                    yield each, values[splits == each]

        if self._has_splits():
            return cached(place, f"{name}-{split}", facts, shape, own_blocks)
        return cached_splits(place, name, facts, shape, hashed_blocks)[split]

    def palette(self, config: NetworkConfig, most: int) -> tuple[Palette, str]:
        """The colours of the archive's values; none where it says none. DataError for what is no palette."""
        stored = self._small_array("palette")
        try:
            return written(
                colours_of([str(each) for each in ([] if stored is None else stored)])
            ), "the archive's"
        except ValueError as error:
            raise DataError(
                f"{self.path} has a palette that is none: {error}"
            ) from None

    def _check_categories(self, config: NetworkConfig) -> None:
        """DataError for values that would mean something else than the network's categories."""
        if config.categories and (largest := self._largest()) >= config.values:
            raise DataError(
                f"{self.path} has the value {largest}, expected categories from 0 to {config.values - 1}"
            )
        own, _ = self.palette(config, MOST) if self.options.palette else ((), "")
        if own and own != self.options.palette:
            raise DataError(
                f"{self.path} has another palette than the model: its values are other colours"
            )

    def labelled(self, split: Split, config: NetworkConfig) -> tuple[Values, Labels]:
        """The same, and their labels; DataError when the archive has none, or not one for each."""
        return self.read(split, config), self._labels(split)

    def _labels(self, split: Split) -> Labels:
        names = self._small_array("label_names")
        given = None if names is None else [str(name) for name in names]
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
                f"{self.path} has no labels: expected an array {expected} of {count} whole numbers"
            )
        of_all = Labels.numbered(
            np.concatenate([each for each in every if each is not None]),
            given,
            self.path,
        )
        if self._has_splits():
            return Labels.numbered(numbers, of_all.names, self.path)
        blocks = self._array(split).blocks()
        return Labels(
            of_all.names,
            of_all.of[np.concatenate([_splits_of(block) for block in blocks]) == split],
        )

    def _small_array(self, key: str) -> npt.NDArray | None:
        """A small array of the archive, if it is there."""
        if key not in archive_keys(self.path):
            return None
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                return arrays[key]
        except ARRAY_ERRORS as error:
            raise DataError(
                f"cannot read {key} of {self.path}: {error or type(error).__name__}"
            ) from None

    def _has_splits(self) -> bool:
        return self.path.suffix == ".npz" and not set(get_args(Split)).isdisjoint(
            archive_keys(self.path)
        )

    def _largest(self) -> int:
        """The largest byte of all splits: those of a file are read alike."""
        keys = (
            set(archive_keys(self.path)) & set(get_args(Split))
            if self._has_splits()
            else {None}
        )
        arrays = [
            StoredArray(self.path, key) if key else self._array("train")
            for key in sorted(keys, key=str)
        ]
        largest = 0
        for block in chain.from_iterable(array.blocks() for array in arrays):
            largest = max(largest, int(block.max(initial=0)))
            if largest == 255:
                break
        return largest

    def _array(self, split: Split) -> StoredArray:
        if self.path.suffix == ".npy":
            return StoredArray(self.path)
        keys = [
            key
            for key in archive_keys(self.path)
            if "label" not in key and key != "palette"
        ]
        if self._has_splits() and split in keys:
            return StoredArray(self.path, split)
        if len(keys) == 1 and not self._has_splits():
            return StoredArray(self.path, keys[0])
        raise DataError(
            f"{self.path} has no {split} split: expected arrays train, valid and test, or one single array, "
            f"not {', '.join(keys) or 'none'}"
        )


def _image_shape(array: StoredArray) -> tuple[int, int, int]:
    shape = array.shape
    if (
        len(shape) not in (3, 4)
        or (len(shape) == 4 and shape[3] not in (1, 3))
        or 0 in shape[1:]
    ):
        raise DataError(
            f"{array}: expected images (N, H, W) or (N, H, W, C) with 1 or 3 colours, not {shape}"
        )
    return (shape[3] if len(shape) == 4 else 1, shape[1], shape[2])


def _channels_first(block: Pixels) -> Pixels:
    return block[:, None] if block.ndim == 3 else block.transpose(0, 3, 1, 2)


def _splits_of(block: Pixels) -> npt.NDArray[np.str_]:
    """The split of each image (N,), by its own bytes: block (N, H, W) or (N, H, W, C)."""
    return np.array([hashed_split(image.tobytes()) for image in block], dtype="U5")
