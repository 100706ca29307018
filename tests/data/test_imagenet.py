"""Downsampled ImageNet as it is published: batches of rows, and folders of PNG."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_core.config import preset
from model_core.data.datasets import open_dataset, read_dataset
from model_core.data.options import ReadOptions
from model_core.errors import DataError

SMALL = preset("imagenet32-row-lstm").with_overrides(height=2, width=2)
LARGE = SMALL.with_overrides(height=4, width=4)


@pytest.fixture
def options(tmp_path: Path) -> ReadOptions:
    """A cache of this test's own."""
    return ReadOptions(cache=tmp_path / "cache")


def test_batches_follow_each_other_in_number_order(
    tmp_path: Path, options: ReadOptions
) -> None:
    """Batch 10 comes after batch 2; compressed or not; colours are planes."""
    random = np.random.default_rng(0)
    rows = {
        number: random.integers(0, 256, (3, 12)).astype(np.uint8)
        for number in (1, 2, 10)
    }
    for number, data in rows.items():
        save = np.savez_compressed if number == 2 else np.savez
        save(
            tmp_path / f"train_data_batch_{number}.npz", data=data, labels=np.arange(3)
        )
    np.savez(tmp_path / "val_data.npz", data=rows[1], labels=np.arange(3))
    train = read_dataset(tmp_path, "train", SMALL, options)
    assert isinstance(train, np.memmap)
    assert (
        train == np.concatenate([rows[1], rows[2], rows[10]]).reshape(9, 3, 2, 2)
    ).all()
    for split in ("valid", "test"):
        assert (
            read_dataset(tmp_path, split, SMALL, options) == rows[1].reshape(3, 3, 2, 2)
        ).all()
    assert "Chrabaszcz" in open_dataset(tmp_path).description


def test_the_size_is_chosen_when_both_are_there(
    tmp_path: Path, options: ReadOptions
) -> None:
    """The two sizes may lie side by side; a third is an error."""
    for side in (2, 4):
        (tmp_path / f"Imagenet{side}_val_npz").mkdir()
        np.savez(
            tmp_path / f"Imagenet{side}_val_npz" / "val_data.npz",
            data=np.full((2, 3 * side * side), side, np.uint8),
        )
    assert (read_dataset(tmp_path, "valid", SMALL, options) == 2).all()
    assert (read_dataset(tmp_path, "valid", LARGE, options) == 4).all()
    with pytest.raises(DataError, match="images of 8x8"):
        read_dataset(
            tmp_path, "valid", SMALL.with_overrides(height=8, width=8), options
        )


def test_a_batch_is_refused_when_it_is_cut_short_and_no_cache_stays(
    tmp_path: Path, options: ReadOptions
) -> None:
    """Half a file is not half a data set."""
    path = tmp_path / "val_data.npz"
    np.savez(path, data=np.zeros((50, 12), np.uint8), labels=np.zeros(50))
    whole = path.read_bytes()
    for cut in (100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match=r"val_data\.npz"):
            read_dataset(tmp_path, "valid", SMALL, options)
    assert not list((tmp_path / "cache").glob("*.u8"))


def test_folders_of_png_are_read_as_they_are(
    tmp_path: Path, options: ReadOptions
) -> None:
    """An image of the network's own size is not touched; the folder's name says the size."""
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    for folder, chosen in (("train_32x32", images[:3]), ("valid_32x32", images[3:])):
        (tmp_path / folder).mkdir()
        for i, image in enumerate(chosen):
            Image.fromarray(image).save(tmp_path / folder / f"{i:04}.png")
    config = preset("imagenet32-row-lstm")
    assert (
        read_dataset(tmp_path, "train", config, options)
        == images[:3].transpose(0, 3, 1, 2)
    ).all()
    assert (
        read_dataset(tmp_path, "test", config, options)
        == images[3:].transpose(0, 3, 1, 2)
    ).all()
    assert "van den Oord" in open_dataset(tmp_path).description
    with pytest.raises(DataError, match="train_64x64"):
        read_dataset(tmp_path, "train", preset("imagenet64-row-lstm"), options)
