"""Anybody's images: folders of pictures, and arrays; decoded once, split by name, damage told in one line."""

import logging
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_core.config import preset
from model_core.data import ReadOptions, open_dataset, read_dataset
from model_core.data.picture_files import fit
from model_core.data.splits import hashed_split
from model_core.errors import DataError

COLOUR = preset("cifar10-pixelcnn").with_overrides(height=4, width=4)
GREY = COLOUR.with_overrides(channels=1)
SPLITS = ("train", "valid", "test")


@pytest.fixture
def options(tmp_path: Path) -> ReadOptions:
    """A cache of this test's own."""
    return ReadOptions(cache=tmp_path / "cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixty pictures, each of one colour that is its number, of different sizes and formats, some in subfolders."""
    directory = tmp_path / "pictures"
    for i in range(60):
        path = directory / ("deep/er" if i % 3 == 0 else ".") / f"{i:02}.{('png', 'JPG', 'bmp', 'webp')[i % 4]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        quality = {"lossless": True} if i % 4 == 3 else {}
        Image.new("RGB", (5 + i % 7, 4 + i % 5), (i, i, i)).save(path, **quality)
    return directory


def numbers(values: np.ndarray) -> list[int]:
    return sorted(values[:, 0, 0, 0].tolist())


def test_a_folder_is_split_once_and_for_all(folder: Path, options: ReadOptions) -> None:
    """Every picture is in one split; a new one moves none of the others."""
    before = {split: numbers(read_dataset(folder, split, COLOUR, options)) for split in SPLITS}
    assert sorted(chain(*before.values())) == list(range(60))
    assert len(before["train"]) > len(before["valid"]) + len(before["test"])
    Image.new("RGB", (9, 9), (200, 0, 0)).save(folder / "new.png")
    after = {split: numbers(read_dataset(folder, split, COLOUR, options)) for split in SPLITS}
    assert {split: [n for n in found if n != 200] for split, found in after.items()} == before
    assert sum(len(found) for found in after.values()) == 61


def test_splits_take_their_share_of_many_names() -> None:
    """80, 10 and 10 percent; the name is the same however its accents are spelt."""
    found = [hashed_split(f"{i}.png") for i in range(5000)]
    assert [found.count(split) / 5000 for split in SPLITS] == pytest.approx([0.8, 0.1, 0.1], abs=0.02)
    assert hashed_split("caf\u00e9.png") == hashed_split("cafe\u0301.png")


def test_a_folder_is_decoded_once(folder: Path, options: ReadOptions) -> None:
    """The second reading maps the same file; a changed picture makes another."""
    first = read_dataset(folder, "train", COLOUR, options)
    second = read_dataset(folder, "train", COLOUR, options)
    assert isinstance(first, np.memmap)
    assert isinstance(second, np.memmap)
    assert first.filename == second.filename
    assert not first.flags.writeable
    name = next(path for path in sorted(folder.glob("*.png")) if hashed_split(path.name) == "train")
    Image.new("RGB", (4, 4), (222, 0, 0)).save(name)
    assert 222 in numbers(read_dataset(folder, "train", COLOUR, options))


def test_pictures_are_cropped_to_the_middle_and_resized_by_the_named_filter() -> None:
    """A wide picture loses its sides; box averages whole blocks."""
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16] = np.random.default_rng(0).integers(0, 256, (8, 8, 3))
    box = fit(Image.fromarray(wide), COLOUR, "box")
    blocks = wide[:, 8:16].reshape(4, 2, 4, 2, 3).mean(axis=(1, 3)).transpose(2, 0, 1)
    np.testing.assert_allclose(box, blocks, atol=1)
    lanczos = fit(Image.fromarray(wide), COLOUR, "lanczos")
    assert (lanczos != box).any()
    assert fit(Image.fromarray(wide), GREY, "box").shape == (1, 4, 4)


def test_pictures_of_any_mode_are_converted() -> None:
    """Palette, alpha, bits, 16 bits and CMYK all become bytes of the network's colours."""
    grey = np.arange(16, dtype=np.uint16).reshape(4, 4)
    for mode in ("1", "L", "P", "RGBA", "LA", "CMYK", "F", "I"):
        assert fit(Image.fromarray(grey.astype(np.uint8)).convert(mode), COLOUR, "lanczos").shape == (3, 4, 4)
    assert (fit(Image.fromarray(grey * 4096), GREY, "lanczos")[0] == grey * 16).all()


def test_a_picture_stands_upright_when_its_camera_was_turned() -> None:
    """The orientation that a camera noted is applied."""
    turned = Image.new("L", (4, 4))
    turned.putpixel((0, 0), 255)
    turned.getexif()[0x0112] = 3
    assert fit(turned, GREY, "box")[0, 3, 3] == 255


def test_unreadable_pictures_are_counted_and_named_once(
    folder: Path, options: ReadOptions, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning for all; the rest is read."""
    names = [path.name for path in sorted(folder.glob("*.*")) if hashed_split(path.name) == "train"]
    (folder / names[0]).write_bytes(b"not a picture")
    (folder / names[1]).write_bytes((folder / names[1]).read_bytes()[:40])
    whole = sum(hashed_split(path.relative_to(folder).as_posix()) == "train" for path in folder.rglob("*.*"))
    with caplog.at_level(logging.WARNING):
        assert len(read_dataset(folder, "train", COLOUR, options)) == whole - 2
        assert len(read_dataset(folder, "train", COLOUR, options)) == whole - 2
    (record,) = caplog.records
    assert f"2 of {whole} files" in record.getMessage()
    assert names[0] in record.getMessage()
    assert names[1] in record.getMessage()


def test_a_folder_is_refused_when_no_picture_can_be_read(tmp_path: Path, options: ReadOptions) -> None:
    """Nothing to train on is an error, not an empty data set; so is an empty split."""
    directory = tmp_path / "broken"
    directory.mkdir()
    for i in range(20):
        (directory / f"{i}.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read as images"):
        read_dataset(directory, "train", COLOUR, options)
    for path in directory.iterdir():
        if hashed_split(path.name) != "train":
            path.unlink()
    with pytest.raises(DataError, match="falls into the valid split"):
        read_dataset(directory, "valid", COLOUR, options)


def test_an_array_is_split_by_position(tmp_path: Path, options: ReadOptions) -> None:
    """.npy, and .npz with one array; grey without a colour axis, colour with one."""
    images = np.random.default_rng(0).integers(0, 256, (50, 4, 4, 3)).astype(np.uint8)
    np.save(tmp_path / "colour.npy", images)
    np.savez(tmp_path / "grey.npz", images[..., 0])
    for split in SPLITS:
        chosen = [i for i in range(50) if hashed_split(str(i)) == split]
        assert (
            read_dataset(tmp_path / "colour.npy", split, COLOUR, options) == images[chosen].transpose(0, 3, 1, 2)
        ).all()
        assert (read_dataset(tmp_path / "grey.npz", split, GREY, options)[:, 0] == images[chosen][..., 0]).all()


def test_an_archive_keeps_its_own_splits(tmp_path: Path, options: ReadOptions) -> None:
    """Arrays named train and test are those splits, and valid is not made up."""
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4)).astype(np.uint8)
    np.savez_compressed(tmp_path / "own.npz", train=images, test=images[:2])
    assert (read_dataset(tmp_path / "own.npz", "train", GREY, options)[:, 0] == images).all()
    assert len(read_dataset(tmp_path / "own.npz", "test", GREY, options)) == 2
    assert "its own splits" in open_dataset(tmp_path / "own.npz").description
    with pytest.raises(DataError, match="no valid split"):
        read_dataset(tmp_path / "own.npz", "valid", GREY, options)


@pytest.mark.parametrize(
    "array",
    [np.zeros((5, 4, 4)), np.zeros((5, 4, 4, 2), np.uint8), np.zeros((5, 16), np.uint8), np.zeros((), np.uint8),
     np.array([{}]), np.zeros((50, 5, 4), np.uint8)],
    ids=["float", "two-colours", "flat", "scalar", "objects", "size"],
)  # fmt: skip
def test_an_array_is_refused_when_it_does_not_hold_images_of_bytes(
    tmp_path: Path, options: ReadOptions, array: np.ndarray
) -> None:
    """Nothing is guessed, and nothing unpickled."""
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=r"a\.npy"):
        read_dataset(tmp_path / "a.npy", "train", GREY, options)


def test_a_cache_that_cannot_be_written_is_an_error(folder: Path, tmp_path: Path) -> None:
    """The directory is named."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot keep decoded images"):
        read_dataset(folder, "train", COLOUR, ReadOptions(cache=tmp_path / "file"))
