"""The two forms of binarized MNIST hold the same images, and broken files are named."""

from pathlib import Path

import numpy as np
import pytest

from model_core.config import NetworkConfig, preset
from model_core.data.datasets import open_dataset, read_dataset
from model_core.errors import DataError

CONFIG = preset("mnist-pixelcnn")


@pytest.fixture
def digits() -> np.ndarray:
    """Five binary images (5, 1, 28, 28)."""
    return np.random.default_rng(0).integers(0, 2, (5, 1, 28, 28)).astype(np.uint8)


def write_amat(path: Path, digits: np.ndarray, end: str = "\n") -> None:
    lines = [" ".join(map(str, image.ravel())) + end for image in digits]
    path.write_bytes("".join(lines).encode())


def test_amat_reads_back_when_lines_end_in_either_way(
    tmp_path: Path, digits: np.ndarray
) -> None:
    """The official text format is read whatever its line ends."""
    write_amat(tmp_path / "binarized_mnist_train.amat", digits)
    write_amat(tmp_path / "binarized_mnist_test.amat", digits[:2], end="\r\n")
    assert (read_dataset(tmp_path, "train", CONFIG) == digits).all()
    assert (
        read_dataset(tmp_path / "binarized_mnist_train.amat", "test", CONFIG)
        == digits[:2]
    ).all()


def test_packed_equals_amat_when_the_images_are_the_same(
    tmp_path: Path, digits: np.ndarray
) -> None:
    """Eight pixels a byte, first pixel highest."""
    np.savez(
        tmp_path / "binarized_mnist.npz",
        valid=np.packbits(digits.reshape(5, -1), axis=1),
    )
    assert (read_dataset(tmp_path, "valid", CONFIG) == digits).all()
    assert (
        read_dataset(tmp_path / "binarized_mnist.npz", "valid", CONFIG) == digits
    ).all()
    assert "fixed binarization" in open_dataset(tmp_path).description


@pytest.mark.parametrize(
    "text", ["0 1 2\n", "", " ".join("7" * 784) + "\n", "0" * 783 + "\n", "\n"]
)
def test_amat_is_refused_when_it_is_not_784_bits_a_line(
    tmp_path: Path, text: str
) -> None:
    """A wrong file is a sentence, not a wrong data set."""
    (tmp_path / "binarized_mnist_train.amat").write_text(text)
    with pytest.raises(DataError, match=r"binarized MNIST|no images"):
        read_dataset(tmp_path, "train", CONFIG)


@pytest.mark.parametrize(
    "arrays",
    [
        {"test": np.zeros((2, 98), np.uint8)},
        {"train": np.zeros((2, 97), np.uint8)},
        {"train": np.zeros((2, 98), np.int64)},
        {"train": np.array([{"a": 1}])},
    ],
    ids=["no-split", "width", "type", "pickle"],
)
def test_packed_is_refused_when_its_arrays_are_others(
    tmp_path: Path, arrays: dict[str, np.ndarray]
) -> None:
    """Missing splits, other shapes and pickled objects are refused."""
    np.savez(tmp_path / "binarized_mnist.npz", allow_pickle=True, **arrays)
    with pytest.raises(DataError):
        read_dataset(tmp_path, "train", CONFIG)


def test_packed_is_refused_when_it_is_no_archive(tmp_path: Path) -> None:
    """A text file of that name is named in the error."""
    (tmp_path / "binarized_mnist.npz").write_text("hello")
    with pytest.raises(DataError, match=r"binarized_mnist\.npz"):
        read_dataset(tmp_path, "train", CONFIG)


def test_reading_says_where_to_get_the_data_when_there_is_none(tmp_path: Path) -> None:
    """The error is the instruction."""
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(
            DataError, match=r"`pixelrnn data fetch` gets .*binarized-mnist"
        ):
            read_dataset(path, "train", CONFIG)


@pytest.mark.parametrize(
    "config", [CONFIG.with_overrides(height=14), CONFIG.with_overrides(values=256)]
)
def test_binarized_mnist_is_refused_when_the_network_takes_other_images(
    tmp_path: Path, digits: np.ndarray, config: NetworkConfig
) -> None:
    """Shape and number of values are compared before training starts."""
    write_amat(tmp_path / "binarized_mnist_train.amat", digits)
    with pytest.raises(DataError, match="but the network takes"):
        read_dataset(tmp_path, "train", config)


def test_reading_is_refused_when_the_split_has_no_name_or_no_file(
    tmp_path: Path, digits: np.ndarray
) -> None:
    """Splits are train, valid and test."""
    write_amat(tmp_path / "binarized_mnist_train.amat", digits)
    with pytest.raises(DataError, match="train, valid, test"):
        read_dataset(tmp_path, "dev", CONFIG)
    with pytest.raises(DataError, match="not there"):
        read_dataset(tmp_path, "valid", CONFIG)
