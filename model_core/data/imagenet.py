"""Downsampled ImageNet, 32 x 32 and 64 x 64, as it was published: folders of PNG files,
or .npz batches.

The two were resized by different filters, so their likelihoods cannot be compared: the
PNG files are those of the paper, the batches a later edition. There is no test split
with public images. The paper reports on the official validation images (table 6), so
both the valid and the test split are those.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from model_core.config import NetworkConfig
from model_core.data.cache import cached_values
from model_core.data.npy import StoredArray
from model_core.data.options import ReadOptions
from model_core.data.picture_files import read_pictures
from model_core.data.picture_names import find_pictures
from model_core.data.splits import Split, Values, quantise
from model_core.errors import DataError

_BATCHES = {
    "train": "train_data_batch_*.npz",
    "valid": "val_data.npz",
    "test": "val_data.npz",
}
_FOLDERS = {"train": "train", "valid": "valid", "test": "valid"}
_SPLITS = "valid and test are both the official validation images"


@dataclass(frozen=True)
class ImageNetBatches:
    """Downsampled ImageNet as .npz batches: train_data_batch_1..10.npz and
    val_data.npz, in a directory or in its subdirectories. The splits valid and test are
    both the official validation images.

    path: the directory.
    options: how images are read.
    description: for a model's card.
    """

    path: Path
    options: ReadOptions
    description: str = (
        f"ImageNet resized by Chrabaszcz et al. 2017 (1,281,167 / 50,000: {_SPLITS})"
    )

    @classmethod
    def recognise(cls, path: Path, options: ReadOptions) -> Self | None:
        """Return the data set if `path` is a directory with at least one batch in it or
        in a subdirectory, otherwise None."""
        is_one = any(_find_batches(path, split) for split in ("train", "valid"))
        return cls(path, options) if is_one else None

    def read(self, split: Split, config: NetworkConfig) -> Values:
        """Return the images of a split, (N, 3, H, W), in 0..V-1, of all batches whose
        images have the network's size, one batch after the other, mapped from the
        cache. Raises DataError if there is no such batch, or if one cannot be read."""
        arrays = [StoredArray(path, "data") for path in _find_batches(self.path, split)]
        variables = 3 * config.height * config.width
        fitting = [array for array in arrays if array.shape[1:] == (variables,)]
        if not fitting:
            size = f"{config.width}x{config.height}"
            raise DataError(
                f"the {split} split needs {_BATCHES[split]} with images of {size} in "
                f"{self.path}"
            )
        states = [(array.path, array.path.stat()) for array in fitting]
        facts = [
            [[str(path.resolve()), s.st_size, s.st_mtime_ns] for path, s in states],
            config.values,
        ]
        shape = (3, config.height, config.width)

        def blocks() -> Iterator[Values]:
            for array in fitting:
                for block in array.blocks():
                    yield quantise(block.reshape(-1, *shape), config.values)

        return cached_values(
            self.options.cache_dir,
            f"imagenet-{split}-{config.width}x{config.height}",
            facts,
            shape,
            blocks,
        )


@dataclass(frozen=True)
class ImageNetFolders:
    """Downsampled ImageNet as a directory with train_32x32/ and valid_32x32/ (or 64x64)
    of PNG files. The splits valid and test are both the official validation images.

    path: the directory.
    options: how images are read.
    description: for a model's card.
    """

    path: Path
    options: ReadOptions
    description: str = (
        "downsampled ImageNet of van den Oord et al. 2016 (1,281,149 / 49,999: "
        f"{_SPLITS})"
    )

    @classmethod
    def recognise(cls, path: Path, options: ReadOptions) -> Self | None:
        """Return the data set if `path` contains at least one of these folders,
        otherwise None."""
        names = (
            f"{part}_{side}x{side}" for part in ("train", "valid") for side in (32, 64)
        )
        is_one = any((path / name).is_dir() for name in names)
        return cls(path, options) if is_one else None

    def read(self, split: Split, config: NetworkConfig) -> Values:
        """Return the images of a split, (N, C, H, W), in 0..V-1, from the folder for
        the network's size. Raises DataError if that folder is missing, is empty, or has
        no file that can be read."""
        folder = self.path / f"{_FOLDERS[split]}_{config.height}x{config.width}"
        names = find_pictures(folder)
        if not names:
            raise DataError(f"the {split} split needs PNG files in {folder}")
        return read_pictures(folder, names, split, config, self.options)


def _find_batches(path: Path, split: Split) -> list[Path]:
    """Return the batches of a split in a directory or its subdirectories, by number."""
    if not path.is_dir():
        return []
    found = [*path.glob(_BATCHES[split]), *path.glob(f"*/{_BATCHES[split]}")]
    # Sorted by length first: batch 10 follows batch 9.
    return sorted(found, key=lambda batch: (len(batch.name), batch))
