"""Data sets at a path: recognise their format, and read their images as a network's
values. This file knows nothing of training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, get_args, runtime_checkable

import numpy as np

from model_core.config import NetworkConfig
from model_core.data.arrays import ArrayFile
from model_core.data.binarized_mnist import AmatFiles, PackedFile
from model_core.data.cifar10 import Cifar10
from model_core.data.folder import PictureFolder
from model_core.data.idx import IdxFiles
from model_core.data.imagenet import ImageNetBatches, ImageNetFolders
from model_core.data.labels import Labels, expect_one_each
from model_core.data.options import ReadOptions
from model_core.data.originals import best_originals
from model_core.data.palette import Palette
from model_core.data.splits import Pixels, Split, Values
from model_core.errors import DataError

# The sentence that messages end with if no data set is found.
WHERE = (
    "`pixelrnn data fetch` gets mnist, binarized-mnist and cifar10; "
    "downsampled ImageNet is train_32x32 and valid_32x32 with PNG files, or "
    "train_data_batch_*.npz and val_data.npz; "
    "your own images are any folder of pictures, or a .npy or .npz of (N, H, W[, C]) "
    "bytes"
)
SEEN = "train", "valid"
"""The splits that training may see."""
# In the order in which they are tried. The last one accepts any folder of pictures.
_KINDS = (
    AmatFiles,
    PackedFile,
    IdxFiles,
    Cifar10,
    ImageNetBatches,
    ImageNetFolders,
    ArrayFile,
    PictureFolder,
)


class Dataset(Protocol):
    """A data set on disk that has been recognised but not read. `open_dataset` returns
    one."""

    @property
    def description(self) -> str:
        """What a model's card says of the data: its name, and how pixels become values.
        For a file of arrays all bytes are read."""
        ...

    def read(self, split: Split, config: NetworkConfig) -> Values:
        """Return the images of one split, (N, C, H, W), in 0..V-1. Raises DataError if
        they cannot be read."""
        ...


@runtime_checkable
class LabelledDataset(Protocol):
    """A data set whose images may have labels."""

    def read_labelled(
        self, split: Split, config: NetworkConfig
    ) -> tuple[Values, Labels]:
        """Return the images of one split, (N, C, H, W), in 0..V-1, and their labels, by
        one pass over the files. Raises DataError if they cannot be read or have no
        labels."""
        ...


@runtime_checkable
class ColouredDataset(Protocol):
    """A data set that may have a palette: the colours of its values, if these are
    categories."""

    def palette(self, config: NetworkConfig, most: int) -> tuple[Palette, str]:
        """Return the colours of the values, and in words where they are from; no
        colours if the data set has none.

        config: of the network that will see the images.
        most: maximum number of colours that are found in pictures; an archive returns
            its own palette, however long.

        Raises DataError if an archive's palette is invalid, or if no picture can be
        read.
        """
        ...


def open_dataset(path: Path | str, options: ReadOptions | None = None) -> Dataset:
    """Return the data set in a directory or a file; of its images nothing is read yet.

    options: how images will be read. Default: `ReadOptions()`.

    Raises DataError, which says what was expected and where to get it, if there is
    none.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"no data at {path}: {WHERE}")
    for kind in _KINDS:
        dataset = kind.recognise(path, options or ReadOptions())
        if dataset is not None:
            return dataset
    raise DataError(f"{path} contains no data set of a known format: {WHERE}")


def read_dataset(
    path: Path | str,
    split: str,
    config: NetworkConfig,
    options: ReadOptions | None = None,
) -> Values:
    """Return the images of one split for a network, uint8 (N, C, H, W) in 0..V-1, in
    memory or mapped into it from the cache.

    path: directory or file of a data set.
    split: train, valid or test.
    config: of the network, whose image size and number of values the images must have
        or are converted to.
    options: how images are read. Default: `ReadOptions()`.

    Raises DataError for a missing or damaged file, an unknown or empty split, or images
    of another shape than the network's.
    """
    values = open_dataset(path, options).read(_split(split), config)
    _check_images(values, path, split, config)
    return values


def read_labelled(
    path: Path | str,
    split: str,
    config: NetworkConfig,
    options: ReadOptions | None = None,
    originals: Path | None = None,
) -> tuple[Values, Labels]:
    """Return the images of one split, uint8 (N, C, H, W) in 0..V-1, and their labels.

    path: directory or file of the data set.
    config: whose image size and V the images must have or are converted to.
    options: how images are read.
    originals: grey pictures with labels from which the binary images were drawn, if the
        data set itself has no labels. An image then has the label of the original under
        which it is likeliest (originals.py). Originals of test images are searched
        among test pictures only, and those of other images among the others.

    Raises DataError for a data set without labels, for originals of another size, and
    like `read_dataset`.
    """
    if originals is not None:
        values = read_dataset(path, split, config, options)
        splits = ("test",) if split == "test" else SEEN
        greys, labels = read_labelled_greys(originals, splits, config, options)
        numbers = labels.numbers[best_originals(values, greys)]
        return values, Labels(labels.names, numbers)
    dataset = open_dataset(path, options)
    if not isinstance(dataset, LabelledDataset):
        raise DataError(
            f"{path} has no labels: MNIST's files, CIFAR-10, a .npz and folders in a "
            "folder have; binarized MNIST has those of its originals"
        )
    values, labels = dataset.read_labelled(_split(split), config)
    expect_one_each(labels.numbers, values, path)
    _check_images(values, path, split, config)
    return values, labels


def read_greys(
    path: Path,
    splits: Sequence[str],
    config: NetworkConfig,
    options: ReadOptions | None = None,
) -> Pixels:
    """Return the pictures of several splits as bytes 0..255, (M, C, H, W), one split
    after the other.

    path: directory or file of a data set.
    config: whose image size the pictures must have or are converted to; its number of
        values does not matter.
    options: how images are read. Default: `ReadOptions()`.

    Raises DataError if a split cannot be read.
    """
    greys = config.with_overrides(values=256)
    return np.concatenate(
        [read_dataset(path, split, greys, options) for split in splits]
    )


def read_labelled_greys(
    path: Path,
    splits: Sequence[str],
    config: NetworkConfig,
    options: ReadOptions | None = None,
) -> tuple[Pixels, Labels]:
    """Return the pictures of several splits as bytes 0..255, (M, C, H, W), one split
    after the other, and their labels. Arguments as for `read_greys`. Raises DataError
    if there are no labels."""
    greys = config.with_overrides(values=256)
    parts = [read_labelled(path, split, greys, options) for split in splits]
    # A split may lack images of the last labels.
    names = max((labels.names for _, labels in parts), key=len)
    pixels = np.concatenate([values for values, _ in parts])
    numbers = np.concatenate([labels.numbers for _, labels in parts])
    return pixels, Labels(names, numbers)


def _split(name: str) -> Split:
    if name not in get_args(Split):
        raise DataError(
            f"unknown split {name!r}: expected {', '.join(get_args(Split))}"
        )
    return name  # pyright: ignore[reportReturnType]


def _check_images(
    values: Values, path: Path | str, split: str, config: NetworkConfig
) -> None:
    """Raise DataError if there are no images, or if they have another shape than the
    network's."""
    expected = (config.channels, config.height, config.width)
    if values.shape[1:] != expected:
        found = "x".join(map(str, values.shape[1:]))
        wanted = "x".join(map(str, expected))
        raise DataError(
            f"{path} has images of {found} (colours x height x width), but the network "
            f"takes {wanted}"
        )
    if len(values) == 0:
        raise DataError(f"the {split} split of {path} has no images")
    assert values.dtype == np.uint8
