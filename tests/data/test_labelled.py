"""Labels of images: they come with the pictures, of one pass over the files, and never slide against them."""

import os
import pickle
import random
import struct
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model_core.config import preset
from model_core.data.datasets import open_dataset, read_dataset, read_labelled
from model_core.data.labels import Labels
from model_core.data.options import ReadOptions
from model_core.errors import DataError
from model_core.training.batches import Batches
from model_core.training.evaluate import evaluate_model
from tests.labelled_models import labelled

GREY = preset("cifar10-pixelcnn").with_overrides(
    height=4, width=4, channels=1, labels=3
)
SPLITS = ("train", "valid", "test")
KINDS = ("apples", "bears", "cats")


@pytest.fixture
def options(tmp_path: Path) -> ReadOptions:
    """A cache of this test's own."""
    return ReadOptions(cache=tmp_path / "cache")


@pytest.fixture
def kinds(tmp_path: Path) -> Path:
    """Ninety pictures in three folders, some further down; a picture's grey divided by three leaves its label."""
    for i in range(90):
        path = (
            tmp_path / "kinds" / KINDS[i % 3] / ("deep" if i % 2 else ".") / f"{i}.png"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), i).save(path)
    return tmp_path / "kinds"


def expect_right(kinds: Path, options: ReadOptions) -> int:
    """Every picture has its own label; returns how many there are."""
    count = 0
    for split in SPLITS:
        values, labels = read_labelled(kinds, split, GREY, options)
        assert labels.names == KINDS
        assert (values[:, 0, 0, 0] % 3).tolist() == labels.numbers.tolist()
        assert (values == read_dataset(kinds, split, GREY, options)).all()
        count += len(values)
    return count


@pytest.mark.parametrize("seed", range(6))
def test_labels_stay_with_their_pictures_whatever_cannot_be_read(
    kinds: Path, options: ReadOptions, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Disks that fail now and then, broken files, and colours that grey cannot be made of, in any folder."""
    chance = random.Random(seed)
    for i in range(9):
        Image.new("LAB", (4, 4), (i, 128, 128)).save(
            kinds / KINDS[chance.randrange(3)] / f"{i}lab.tiff"
        )
        (kinds / KINDS[chance.randrange(3)] / f"{i}broken.png").write_bytes(b"nothing")
    really_open = Image.open

    def sometimes(path: Path, *more: Any, **options: Any) -> Image.Image:
        if chance.random() < 0.1:
            raise OSError(5, "Input/output error")
        return really_open(path, *more, **options)

    monkeypatch.setattr(Image, "open", sometimes)
    first = expect_right(kinds, options)
    assert 60 < first < 90
    assert expect_right(kinds, options) == first


def test_what_one_pass_has_written_is_used_together(
    kinds: Path, options: ReadOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file of the cache is gone, all are written anew, also those of pictures that could be read before."""
    expect_right(kinds, options)
    next(options.cache_dir.glob("*-train-origins-*.u8")).unlink()
    really_open = Image.open

    def lost(path: Path, *more: Any, **options: Any) -> Image.Image:
        if path.name < "2":
            raise OSError(5, "Input/output error")
        return really_open(path, *more, **options)

    monkeypatch.setattr(Image, "open", lost)
    assert expect_right(kinds, options) == 78


def test_a_file_whose_rights_change_is_read_again(
    kinds: Path, options: ReadOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture that nobody could read comes in once it can be read, though neither its bytes nor its time changed."""
    really_open, locked = Image.open, kinds / "apples" / "0.png"

    def refused(path: Path, *more: Any, **options: Any) -> Image.Image:
        if path.name == locked.name and path.stat().st_mode & 0o777 == 0:
            raise PermissionError(13, "Permission denied")
        return really_open(path, *more, **options)

    monkeypatch.setattr(Image, "open", refused)
    locked.chmod(0)
    assert expect_right(kinds, options) == 89
    locked.chmod(0o644)
    assert expect_right(kinds, options) == 90


def test_a_turned_photograph_is_in_the_split_of_the_upright_one(
    tmp_path: Path, options: ReadOptions
) -> None:
    """A camera's note moves no picture to another split, and takes no label from it."""
    for i in range(40):
        pixels = np.random.default_rng(i).integers(0, 256, (4, 4)).astype(np.uint8)
        pixels[0, 0] = i
        upright, turned = (
            Image.fromarray(pixels),
            Image.fromarray(pixels[::-1, ::-1].copy()),
        )
        turned.getexif()[0x0112] = 3
        for name, picture in (("upright", upright), ("turned", turned)):
            (tmp_path / "both" / name).mkdir(parents=True, exist_ok=True)
            picture.save(tmp_path / "both" / name / f"{i}.png", exif=picture.getexif())
    for split in SPLITS:
        values, labels = read_labelled(tmp_path / "both", split, GREY, options)
        turned, upright = (
            values[labels.numbers == k, 0, 0, 0].tolist() for k in range(2)
        )
        assert labels.names == ("turned", "upright")
        assert turned == upright != []


def test_more_than_256_labels_can_be_told_apart(
    tmp_path: Path, options: ReadOptions
) -> None:
    """A folder's number is no byte."""
    for i in range(300):
        (tmp_path / "many" / f"{i:03}").mkdir(parents=True)
        Image.fromarray(np.full((4, 4, 3), (i // 256, i % 256, 9), np.uint8)).save(
            tmp_path / "many" / f"{i:03}/a.png"
        )
    values, labels = read_labelled(
        tmp_path / "many", "train", GREY.with_overrides(channels=3), options
    )
    assert (
        values[:, 0, 0, 0].astype(int) * 256 + values[:, 1, 0, 0] == labels.numbers
    ).all()


def test_a_label_that_no_training_image_has_is_not_impossible() -> None:
    """Each counts once more than it is there, so that no prior is 0."""
    assert Labels(("a", "b", "c"), np.array([0, 0, 1])).priors == pytest.approx(
        [3 / 6, 2 / 6, 1 / 6]
    )


def test_two_labels_with_one_name_are_refused() -> None:
    """No card may have them, so that the trained model could not be loaded."""
    with pytest.raises(DataError, match="two labels have the name 'other'"):
        Labels.from_numbers([0, 1, 2], ["cats", "other", "other"], "some.npz")


def test_a_picture_in_no_folder_has_no_label(kinds: Path, options: ReadOptions) -> None:
    """It is named; without labels it is a picture as the others."""
    Image.new("L", (4, 4), 200).save(kinds / "lone.png")
    with pytest.raises(
        DataError, match=r"lone\.png has no label: expected all pictures in folders"
    ):
        read_labelled(kinds, "train", GREY, options)
    assert len(read_dataset(kinds, "train", GREY, options))


def test_crops_have_no_labels(kinds: Path, options: ReadOptions) -> None:
    """They are refused before anything is read, and nothing gets into the cache."""
    for i, path in enumerate(sorted(kinds.rglob("*.png"))):
        Image.new("L", (12 + i, 12), i).save(path)
    of_crops = replace(options, crops=True)
    with pytest.raises(DataError, match=r"crops of the pictures in .* have no labels"):
        read_labelled(kinds, "train", GREY, of_crops)
    assert not options.cache_dir.exists()
    assert len(read_dataset(kinds, "train", GREY, of_crops))


def test_a_folder_whose_name_is_no_utf_8_is_no_label(
    kinds: Path, options: ReadOptions
) -> None:
    """A model with such a label could be trained, and not be served."""
    (kinds / "bears").rename(kinds / os.fsdecode(b"caf\xe9"))
    with pytest.raises(
        DataError, match=r"a label's name must be UTF-8, not 'caf\\udce9'"
    ):
        read_labelled(kinds, "train", GREY, options)


def test_labels_of_another_number_than_the_images_are_refused_everywhere(
    tmp_path: Path,
) -> None:
    """By every format, by training's batches and by evaluation: nothing is paired as far as it goes."""
    few = np.arange(9) % 3
    (tmp_path / "train-images-idx3-ubyte").write_bytes(
        struct.pack(">IIII", 0x0803, 12, 4, 4) + bytes(12 * 16)
    )
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(
        struct.pack(">II", 0x0801, 11) + bytes(11)
    )
    with pytest.raises(
        DataError, match="expected one label for each image, not 11 for 12"
    ):
        read_labelled(tmp_path, "train", GREY)
    (tmp_path / "cifar").mkdir()
    for i, labels in enumerate(
        (5, 3, 4, 4, 4), 1
    ):  # as many as there are images, all together
        batch = {b"labels": [0] * labels, b"data": np.zeros((4, 3072), np.uint8)}
        (tmp_path / "cifar" / f"data_batch_{i}").write_bytes(
            pickle.dumps(batch, protocol=2)
        )
    with pytest.raises(
        DataError, match="data_batch_1: expected one label for each image, not 5 for 4"
    ):
        read_labelled(tmp_path / "cifar", "train", preset("cifar10-pixelcnn"))
    np.savez(
        tmp_path / "own.npz", train=np.zeros((10, 4, 4), np.uint8), train_labels=few
    )
    with pytest.raises(
        DataError, match="expected an array train_labels of 10 whole numbers"
    ):
        read_labelled(tmp_path / "own.npz", "train", GREY)
    model, values = labelled(), np.zeros((10, 1, 3, 3), np.uint8)
    with pytest.raises(DataError, match="not 9 for 10"):
        evaluate_model(model, values, labels=few)
    with pytest.raises(DataError, match="not 9 for 10"):
        Batches(values, 2, seed=0, labels=few)


def test_labels_of_another_split_are_refused_when_they_are_no_list(
    tmp_path: Path,
) -> None:
    """The labels of all splits count, so those of each must be one number an image."""
    path = tmp_path / "own.npz"
    pictures = np.zeros((4, 4, 4), np.uint8)
    np.savez(
        path,
        train=pictures,
        train_labels=np.zeros(4, np.int64),
        test=pictures,
        test_labels=np.zeros((4, 1), np.int64),
    )
    with pytest.raises(DataError, match="expected whole numbers, one for each image"):
        read_labelled(path, "train", GREY)


def test_warnings_of_pillow_are_kept_from_the_reader(
    kinds: Path, options: ReadOptions
) -> None:
    """A palette whose transparency is in bytes is read; what Pillow thinks of it is nobody's matter."""
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([200] * 768)
    palette.save(kinds / "apples" / "palette.png", transparency=bytes([0] * 2))
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        open_dataset(kinds, options).read("train", GREY)
    assert found == []
