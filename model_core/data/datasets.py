"""Data sets at a path: which one it is, and its images as values of the network's kind. Knows no training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, get_args, runtime_checkable

import numpy as np

from model_core.config import NetworkConfig
from model_core.data.amat import AmatFiles
from model_core.data.arrays import ArrayFile
from model_core.data.cifar10 import Cifar10
from model_core.data.folder import PictureFolder
from model_core.data.idx import IdxFiles
from model_core.data.imagenet import ImageNetBatches, ImageNetFolders
from model_core.data.labels import Labels
from model_core.data.options import ReadOptions
from model_core.data.originals import matches
from model_core.data.packed import PackedFile
from model_core.data.splits import Pixels, Split, Values
from model_core.errors import DataError

WHERE = (
    "`pixelrnn data fetch` gets mnist, binarized-mnist and cifar10; "
    "downsampled ImageNet is train_32x32 and valid_32x32 with PNG files, or train_data_batch_*.npz and val_data.npz; "
    "your own images are any folder of pictures, or a .npy or .npz of (N, H, W[, C]) bytes"
)
# The last one takes what the others do not know.
_KINDS = (AmatFiles, PackedFile, IdxFiles, Cifar10, ImageNetBatches, ImageNetFolders, ArrayFile, PictureFolder)


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

    def labels(self, split: Split, config: NetworkConfig) -> Labels:
        """The labels of the images that `read` gives, in their order; DataError when that cannot be."""
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


def read_dataset(path: Path | str, split: str, config: NetworkConfig, options: ReadOptions | None = None) -> Values:
    """The images of one split for this network: uint8 (N, C, H, W) in 0..V-1, in memory or mapped into it.

    Raises DataError for a missing or damaged file, an unknown split, or images of another shape than the network's.
    """
    if split not in get_args(Split):
        raise DataError(f"unknown split {split!r}: expected {', '.join(get_args(Split))}")
    values = open_dataset(path, options).read(split, config)  # pyright: ignore[reportArgumentType]
    expected = (config.channels, config.height, config.width)
    if values.shape[1:] != expected:
        found, wanted = ("x".join(map(str, shape)) for shape in (values.shape[1:], expected))
        raise DataError(f"{path} has images of {found} (colours x height x width), but the network takes {wanted}")
    if len(values) == 0:
        raise DataError(f"the {split} split of {path} has no images")
    assert values.dtype == np.uint8
    return values


def read_labels(
    path: Path | str,
    split: str,
    config: NetworkConfig,
    options: ReadOptions | None = None,
    originals: Path | None = None,
) -> Labels:
    """The labels of the images that `read_dataset` gives, in their order.

    originals: the grey pictures, with labels, that binary images are draws of; an image has the label of the one under
    which it is the most likely. Those of test images are sought among test pictures, and of no others.
    Raises DataError for a data set without labels, and as read_dataset.
    """
    if originals is None:
        return labels_of(path, (split,), config, options)
    splits = ("test",) if split == "test" else ("train", "valid")
    found = labels_of(originals, splits, config, options)
    greys = read_greys(originals, splits, config, options)
    return Labels(found.names, found.of[matches(read_dataset(path, split, config, options), greys)])


def read_greys(path: Path, splits: Sequence[str], config: NetworkConfig, options: ReadOptions | None = None) -> Pixels:
    """The pictures of some splits, one after the other, as bytes: (M, C, H, W); DataError as in read_dataset."""
    greys = config.with_overrides(values=256)
    return np.concatenate([read_dataset(path, split, greys, options) for split in splits])


def labels_of(
    path: Path | str, splits: Sequence[str], config: NetworkConfig, options: ReadOptions | None = None
) -> Labels:
    """The labels of the images of some splits, one after the other; DataError where there are none."""
    dataset = _labelled(path, options)
    parts = [dataset.labels(split, config) for split in splits]  # pyright: ignore[reportArgumentType]
    return Labels(max((part.names for part in parts), key=len), np.concatenate([part.of for part in parts]))


def _labelled(path: Path | str, options: ReadOptions | None) -> Labelled:
    dataset = open_dataset(path, options)
    if not isinstance(dataset, Labelled):
        raise DataError(
            f"{path} has no labels: MNIST's files, CIFAR-10, a .npz and folders in a folder have; binarized MNIST has "
            "those of its originals"
        )
    return dataset
