"""Which data set a path holds, and its images as values of the network's kind. Knows no training."""

from pathlib import Path
from typing import Protocol, get_args

import numpy as np

from model_core.config import NetworkConfig
from model_core.data.amat import AmatFiles
from model_core.data.idx import IdxFiles
from model_core.data.packed import PackedFile
from model_core.data.splits import Split, Values
from model_core.errors import DataError

WHERE = (
    "binarized MNIST is binarized_mnist_{train,valid,test}.amat of "
    "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/; "
    "MNIST is train-images-idx3-ubyte(.gz) and t10k-images-idx3-ubyte(.gz)"
)


class Dataset(Protocol):
    """One data set on disk, opened but not yet read."""

    @property
    def description(self) -> str:
        """What goes into a model's card: the name, and how pixels became values."""
        ...

    def read(self, split: Split, values: int) -> Values:
        """The images of one split as (N, C, H, W) in 0..values-1; DataError when that cannot be."""
        ...


def open_dataset(path: Path | str) -> Dataset:
    """Recognise a directory or a file; DataError says what was expected and where to get it."""
    path = Path(path)
    if not path.exists():
        raise DataError(f"no data at {path}: {WHERE}")
    for kind in (AmatFiles, PackedFile, IdxFiles):
        if (dataset := kind.recognise(path)) is not None:
            return dataset
    raise DataError(f"{path} holds no data set that is known here: {WHERE}")


def read_dataset(path: Path | str, split: str, config: NetworkConfig) -> Values:
    """The images of one split for this network: uint8 (N, C, H, W) in 0..V-1.

    Raises DataError for a missing or damaged file, an unknown split, or images of another shape than the network's.
    """
    if split not in get_args(Split):
        raise DataError(f"unknown split {split!r}: expected {', '.join(get_args(Split))}")
    values = open_dataset(path).read(split, config.values)  # pyright: ignore[reportArgumentType]
    expected = (config.channels, config.height, config.width)
    if values.shape[1:] != expected:
        found, wanted = ("x".join(map(str, shape)) for shape in (values.shape[1:], expected))
        raise DataError(f"{path} has images of {found} (colours x height x width), but the network takes {wanted}")
    if len(values) == 0:
        raise DataError(f"the {split} split of {path} has no images")
    assert values.dtype == np.uint8
    return values
