"""MNIST's IDX files: splits, thresholds, compression, damage."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from model_core.config import preset
from model_core.data.datasets import open_dataset, read_dataset
from model_core.errors import DataError

BINARY = preset("mnist-pixelcnn").with_overrides(height=3, width=4)
BYTES = BINARY.with_overrides(values=256)


@pytest.fixture
def pixels() -> np.ndarray:
    """Twelve images of bytes (12, 3, 4)."""
    return np.random.default_rng(0).integers(0, 256, (12, 3, 4)).astype(np.uint8)


def idx(pixels: np.ndarray, kind: int = 0x0803) -> bytes:
    return struct.pack(">IIII", kind, *pixels.shape) + pixels.tobytes()


def test_idx_splits_the_training_file_when_train_and_valid_are_asked(
    tmp_path: Path, pixels: np.ndarray
) -> None:
    """The last sixth is the validation split; test has its own file; both may be gzipped."""
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pixels)))
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(pixels[:1]))
    assert (read_dataset(tmp_path, "train", BYTES)[:, 0] == pixels[:10]).all()
    assert (read_dataset(tmp_path, "valid", BYTES)[:, 0] == pixels[10:]).all()
    assert (read_dataset(tmp_path, "test", BYTES)[:, 0] == pixels[:1]).all()


def test_idx_is_thresholded_at_128_when_the_network_is_binary(
    tmp_path: Path, pixels: np.ndarray
) -> None:
    """White is 128 or more, and the description says so."""
    path = tmp_path / "digits-idx3-ubyte"
    path.write_bytes(idx(pixels))
    values = read_dataset(path, "test", BINARY)
    assert values.shape == (12, 1, 3, 4)
    assert (values[:, 0] == (pixels >= 128)).all()
    assert "128" in open_dataset(path).description


def test_a_lone_idx_file_is_refused_when_training_would_use_it(
    tmp_path: Path, pixels: np.ndarray
) -> None:
    """A file of unknown name is for evaluation only."""
    path = tmp_path / "digits-idx3-ubyte"
    path.write_bytes(idx(pixels))
    with pytest.raises(DataError, match="no train split"):
        read_dataset(path, "train", BYTES)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        idx(np.zeros((2, 3, 4), np.uint8), kind=0x0801),
        idx(np.zeros((2, 3, 4), np.uint8))[:-1],
    ],
    ids=["empty", "short", "labels", "truncated"],
)
@pytest.mark.parametrize("packed", [False, True])
def test_idx_is_refused_when_header_and_bytes_disagree(
    tmp_path: Path, data: bytes, packed: bool
) -> None:
    """Every damage is a DataError that names the file."""
    name = "t10k-images-idx3-ubyte"
    (tmp_path / (f"{name}.gz" if packed else name)).write_bytes(
        gzip.compress(data) if packed else data
    )
    with pytest.raises(DataError, match=name):
        read_dataset(tmp_path, "test", BYTES)


@pytest.mark.parametrize(
    "data",
    [
        b"not gzip at all",
        gzip.compress(idx(np.zeros((9, 3, 4), np.uint8)), mtime=0)[:-12],
    ],
    ids=["no-gzip", "cut-short"],
)
def test_gzip_is_refused_when_damaged(tmp_path: Path, data: bytes) -> None:
    """Damaged compression is a DataError too."""
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(data)
    with pytest.raises(DataError, match="cannot read"):
        read_dataset(tmp_path, "test", BYTES)
