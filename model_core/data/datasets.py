"""Data sets at a path: which one it is, and its images as values of the network's kind. Knows no training."""

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
from model_core.data.originals import matches
from model_core.data.palette import Palette
from model_core.data.splits import Pixels, Split, Values
from model_core.errors import DataError

WHERE = (
    "`pixelrnn data fetch` gets mnist, binarized-mnist and cifar10; "
    "downsampled ImageNet is train_32x32 and valid_32x32 with PNG files, or train_data_batch_*.npz and val_data.npz; "
    "your own images are any folder of pictures, or a .npy or .npz of (N, H, W[, C]) bytes"
)
SEEN = "train", "valid"
"""Splits that training may see."""
# The last one takes what the others do not know.
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
    """One data set on disk, opened but not yet read."""

    @property
    def description(self) -> str:
        """The data's line in a model's card: the name, and how pixels became values."""
        ...

    def read(self, split: Split, config: NetworkConfig) -> Values:
        """The images of one split as (N, C, H, W) in 0..V-1; DataError when that cannot be."""
        ...


@runtime_checkable
class Labelled(Protocol):
    """A data set whose images have labels."""

    def labelled(self, split: Split, config: NetworkConfig) -> tuple[Values, Labels]:
        """The images that `read` gives, and their labels, of one pass over the files; DataError when that cannot be."""
        ...


@runtime_checkable
class Coloured(Protocol):
    """A data set that may have a palette."""

    def palette(self, config: NetworkConfig, most: int) -> tuple[Palette, str]:
        """Find at most so many colours, and say whose; none where it has none. DataError when that cannot be."""
        ...


def open_dataset(path: Path | str, options: ReadOptions | None = None) -> Dataset:
    """Recognise a directory or a file; DataError says what was expected and where to get it."""
    path = Path(path)
    if not path.exists():
        raise DataError(f"no data at {path}: {WHERE}")
    for kind in _KINDS:
        if (dataset := kind.recognise(path, options or ReadOptions())) is not None:
            return dataset
    raise DataError(f"{path} holds no data set that is known here: {WHERE}")


def read_dataset(
    path: Path | str,
    split: str,
    config: NetworkConfig,
    options: ReadOptions | None = None,
) -> Values:
    """The images of one split for this network: uint8 (N, C, H, W) in 0..V-1, in memory or mapped into it.

    Raises DataError for a missing or damaged file, an unknown split, or images of another shape than the network's.
    """
    return _expected(
        open_dataset(path, options).read(_split(split), config), path, split, config
    )


def read_labelled(
    path: Path | str,
    split: str,
    config: NetworkConfig,
    options: ReadOptions | None = None,
    originals: Path | None = None,
) -> tuple[Values, Labels]:
    """The images that `read_dataset` gives, and their labels.

    originals: the grey pictures, with labels, that binary images are draws of; an image has the label of the one under
    which it is the most likely. Those of test images are sought among test pictures, and of no others.
    Raises DataError for a data set without labels, and as read_dataset.
    """
    if originals is not None:
        values = read_dataset(path, split, config, options)
        greys, labels = read_labelled_greys(
            originals, ("test",) if split == "test" else SEEN, config, options
        )
        return values, Labels(labels.names, labels.of[matches(values, greys)])
    dataset = open_dataset(path, options)
    if not isinstance(dataset, Labelled):
        raise DataError(
            f"{path} has no labels: MNIST's files, CIFAR-10, a .npz and folders in a folder have; binarized MNIST has "
            "those of its originals"
        )
    values, labels = dataset.labelled(_split(split), config)
    expect_one_each(labels.of, values, path)
    return _expected(values, path, split, config), labels


def read_greys(
    path: Path,
    splits: Sequence[str],
    config: NetworkConfig,
    options: ReadOptions | None = None,
) -> Pixels:
    """The pictures of some splits, one after the other, as bytes: (M, C, H, W); DataError as in read_dataset."""
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
    """The same, and their labels; DataError where there are none."""
    greys = config.with_overrides(values=256)
    parts = [read_labelled(path, split, greys, options) for split in splits]
    names = max((labels.names for _, labels in parts), key=len)
    return np.concatenate([values for values, _ in parts]), Labels(
        names, np.concatenate([labels.of for _, labels in parts])
    )


def _split(name: str) -> Split:
    if name not in get_args(Split):
        raise DataError(
            f"unknown split {name!r}: expected {', '.join(get_args(Split))}"
        )
    return name  # pyright: ignore[reportReturnType]


def _expected(
    values: Values, path: Path | str, split: str, config: NetworkConfig
) -> Values:
    """The images, if there are some and the network takes them."""
    expected = (config.channels, config.height, config.width)
    if values.shape[1:] != expected:
        found, wanted = (
            "x".join(map(str, shape)) for shape in (values.shape[1:], expected)
        )
        raise DataError(
            f"{path} has images of {found} (colours x height x width), but the network takes {wanted}"
        )
    if len(values) == 0:
        raise DataError(f"the {split} split of {path} has no images")
    assert values.dtype == np.uint8
    return values
