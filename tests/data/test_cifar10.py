"""CIFAR-10 in both official layouts; a pickle can do nothing but hold data."""

import os
import pickle
import struct
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from model_core.config import preset
from model_core.data.datasets import open_dataset, read_dataset
from model_core.errors import DataError

CONFIG = preset("cifar10-pixelcnn")
NAMES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")


class Python2Pickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes bytes as Python 2 wrote its strings, which is how the official files were made."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_bytes(self, data: bytes) -> None:
        self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(data)

    dispatch[bytes] = save_bytes


@pytest.fixture
def rows() -> np.ndarray:
    """Four images a batch, (6, 4, 3072)."""
    return np.random.default_rng(0).integers(0, 256, (6, 4, 3072)).astype(np.uint8)


def write_binary(directory: Path, rows: np.ndarray) -> Path:
    directory.mkdir(parents=True)
    for name, batch in zip(NAMES, rows, strict=True):
        labels = np.full((len(batch), 1), 7, np.uint8)
        (directory / f"{name}.bin").write_bytes(
            np.concatenate([labels, batch], axis=1).tobytes()
        )
    return directory


def write_python(directory: Path, rows: np.ndarray, pickler: Any) -> Path:
    directory.mkdir(parents=True)
    for name, batch in zip(NAMES, rows, strict=True):
        with (directory / name).open("wb") as file:
            pickler(file, protocol=2).dump(
                {b"batch_label": name.encode(), b"labels": [7] * 4, b"data": batch}
            )
    return directory


def test_both_layouts_give_the_same_splits(tmp_path: Path, rows: np.ndarray) -> None:
    """Of the training images the last tenth validates; colours are planes, and rows run first."""
    directories = [
        write_binary(tmp_path / "a" / "cifar-10-batches-bin", rows),
        write_python(
            tmp_path / "b" / "cifar-10-batches-py", rows, Python2Pickler
        ).parent,
        write_python(
            tmp_path / "c" / "cifar-10-batches-py", rows, pickle.Pickler
        ).parent,
    ]
    train = rows[:5].reshape(20, 3, 32, 32)
    for directory in directories:
        assert (read_dataset(directory, "train", CONFIG) == train[:18]).all()
        assert (read_dataset(directory, "valid", CONFIG) == train[18:]).all()
        assert (
            read_dataset(directory, "test", CONFIG) == rows[5].reshape(4, 3, 32, 32)
        ).all()
    assert "CIFAR-10" in open_dataset(directories[0]).description


def test_colours_are_quantised_when_the_network_has_fewer_values(
    tmp_path: Path, rows: np.ndarray
) -> None:
    """The nearest of 4 values."""
    directory = write_binary(tmp_path / "cifar", rows)
    values = read_dataset(directory, "test", CONFIG.with_overrides(values=4))
    assert (
        values == (rows[5].reshape(4, 3, 32, 32).astype(int) * 3 + 127) // 255
    ).all()


class Command:
    """What a hostile file asks for."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def test_a_pickle_is_refused_when_it_asks_for_anything_but_data(
    tmp_path: Path, rows: np.ndarray
) -> None:
    """The command in it does not run."""
    directory = write_python(tmp_path / "cifar", rows, Python2Pickler)
    (directory / "test_batch").write_bytes(
        pickle.dumps({b"data": Command(tmp_path / "mark")}, protocol=2)
    )
    with pytest.raises(DataError, match=r"mkdir, which no data set needs"):
        read_dataset(directory, "test", CONFIG)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    "batch",
    [
        {b"data": np.zeros((2, 3072), np.int64)},
        {b"data": np.array([{}], object)},
        {b"data": np.zeros((2, 3071), np.uint8)},
        {b"data": np.asfortranarray(np.zeros((2, 3072), np.uint8))},
        {b"data": [1, 2]},
        {b"labels": [1]},
        [1, 2],
    ],
    ids=["type", "objects", "width", "order", "list", "no-data", "no-dict"],
)
def test_a_pickle_is_refused_when_it_is_not_a_batch(
    tmp_path: Path, rows: np.ndarray, batch: object
) -> None:
    """Other arrays and other things are errors that name the file."""
    directory = write_python(tmp_path / "cifar", rows, Python2Pickler)
    (directory / "test_batch").write_bytes(pickle.dumps(batch, protocol=2))
    with pytest.raises(DataError, match="test_batch"):
        read_dataset(directory, "test", CONFIG)


def test_a_batch_is_refused_when_it_is_damaged_or_missing(
    tmp_path: Path, rows: np.ndarray
) -> None:
    """Cut short anywhere, empty, or not there."""
    python = write_python(tmp_path / "py", rows, Python2Pickler)
    whole = (python / "test_batch").read_bytes()
    binary = write_binary(tmp_path / "bin", rows)
    for cut in (0, 1, 40, len(whole) // 2, len(whole) - 1):
        (python / "test_batch").write_bytes(whole[:cut])
        with pytest.raises(DataError, match="test_batch"):
            read_dataset(python, "test", CONFIG)
        (binary / "test_batch.bin").write_bytes(whole[:cut])
        with pytest.raises(DataError, match=r"test_batch\.bin is damaged"):
            read_dataset(binary, "test", CONFIG)
    (binary / "data_batch_3.bin").unlink()
    with pytest.raises(DataError, match="no data_batch_3"):
        read_dataset(binary, "train", CONFIG)
