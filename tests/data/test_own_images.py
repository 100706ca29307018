"""Anybody's images: folders of pictures, and arrays; decoded once, split by their pixels, damage told in one line."""

import logging
import shutil
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model_core.config import preset
from model_core.data.datasets import open_dataset, read_dataset, read_labelled
from model_core.data.folder import PictureFolder
from model_core.data.images import read_pixels
from model_core.data.options import ReadOptions
from model_core.data.picture_files import (
    converted_pictures,
    fit,
    read_pictures,
    split_of,
    upright,
)
from model_core.data.picture_names import find_others, find_pictures
from model_core.data.splits import hashed_share, hashed_split, split_at
from model_core.errors import DataError
from tests.app.pictures import chunk, raw_png

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
        path = (
            directory
            / ("deep/er" if i % 3 == 0 else ".")
            / f"{i:02}.{('png', 'JPG', 'bmp', 'webp')[i % 4]}"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        quality: dict[str, Any] = {"lossless": True} if i % 4 == 3 else {}
        Image.new("RGB", (5 + i % 7, 4 + i % 5), (i, i, i)).save(path, **quality)
    return directory


def numbers(values: np.ndarray) -> list[int]:
    return sorted(values[:, 0, 0, 0].tolist())


def test_a_folder_is_split_once_and_for_all(folder: Path) -> None:
    """Every picture is in one split; a new one moves none of the others, and what a
    training has written into the folder is not read."""
    options = ReadOptions(cache=folder / "cache")
    before = {
        split: numbers(read_dataset(folder, split, COLOUR, options)) for split in SPLITS
    }
    assert sorted(chain(*before.values())) == list(range(60))
    assert len(before["train"]) > len(before["valid"]) + len(before["test"])
    Image.new("RGB", (9, 9), (200, 0, 0)).save(folder / "new.png")
    # A recipe alone marks no run: a folder of dishes may have one.
    for name, files in {
        "run": ("recipe.json", "log.jsonl"),
        "dish": ["recipe.json"],
    }.items():
        (folder / name / "samples").mkdir(parents=True)
        for file in files:
            (folder / name / file).touch()
    Image.new("RGB", (9, 9), (201, 0, 0)).save(folder / "run" / "samples" / "1.png")
    assert find_others(folder) == ["dish/recipe.json"]
    after = {
        split: numbers(read_dataset(folder, split, COLOUR, options)) for split in SPLITS
    }
    assert {
        split: [n for n in found if n != 200] for split, found in after.items()
    } == before
    assert sum(len(found) for found in after.values()) == 61


def test_picture_that_goes_while_the_folder_is_read_is_left_out(
    folder: Path, options: ReadOptions
) -> None:
    """It was there when the folder was listed."""
    names = find_pictures(folder)
    (folder / names[0]).unlink()
    values = read_pictures(folder, names, "train", COLOUR, options)
    assert numbers(values) == sorted(set(range(60)) - {int(Path(names[0]).stem)})


def split_of_file(path: Path) -> str:
    with Image.open(path) as image:
        return split_of(upright(image))


def noise(seed: int, side: int = 9) -> Image.Image:
    """A picture that no other seed makes."""
    return Image.fromarray(
        np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)
    )


def test_copies_of_a_picture_are_on_one_side(
    tmp_path: Path, options: ReadOptions
) -> None:
    """A copy under another name, and files of other formats with the same pixels, are in the picture's own split."""
    directory = tmp_path / "copies"
    (directory / "again").mkdir(parents=True)
    for i in range(40):
        path = directory / f"{i}.png"
        noise(i).save(path)
        shutil.copy(path, directory / "again" / f"copy of {i}.png")
        noise(i).save(directory / f"{i}.bmp")
        noise(i).save(directory / f"{i}.webp", lossless=True)
        noise(i).convert("RGBA").save(directory / f"opaque-{i}.tif")
    found = {split: read_dataset(directory, split, COLOUR, options) for split in SPLITS}
    sides = [{image.tobytes() for image in values} for values in found.values()]
    assert all(
        len(values) == 5 * len(side)
        for values, side in zip(found.values(), sides, strict=True)
    )
    assert len(set.union(*sides)) == sum(map(len, sides)) == 40


def test_icons_in_one_colour_are_split_by_their_opacity(
    tmp_path: Path, options: ReadOptions
) -> None:
    """Their colours are the same in all of them; an opaque copy of a plain picture stays with it."""
    directory = tmp_path / "icons"
    directory.mkdir()
    for i in range(40):
        pixels = np.zeros((4, 4, 4), np.uint8)
        pixels[..., 3] = np.asarray(noise(i, 4))[..., 0]
        Image.fromarray(pixels).save(directory / f"{i}.png")
        Image.fromarray(pixels).save(directory / f"copy of {i}.tif")
    found = [read_dataset(directory, split, COLOUR, options) for split in SPLITS]
    different = [{image.tobytes() for image in values} for values in found]
    assert min(map(len, different)) > 0
    assert len(set.union(*different)) == sum(map(len, different)) == 40
    plain = Image.new("RGB", (5, 5), (1, 2, 3))
    assert split_of(plain.convert("RGBA")) == split_of(plain)


def test_the_split_is_the_same_for_every_network(
    folder: Path, options: ReadOptions
) -> None:
    """Size, colours and filter of what is made of a picture do not matter."""
    sizes = {
        split: len(read_dataset(folder, split, COLOUR, options)) for split in SPLITS
    }
    for config in (GREY, COLOUR.with_overrides(height=3, width=7)):
        other = ReadOptions("box", options.cache)
        assert {
            split: len(read_dataset(folder, split, config, other)) for split in SPLITS
        } == sizes


def test_splits_take_their_share_of_many_images() -> None:
    """80, 10 and 10 percent."""
    found = [hashed_split(i.to_bytes(2, "big")) for i in range(5000)]
    assert [found.count(split) / 5000 for split in SPLITS] == pytest.approx(
        [0.8, 0.1, 0.1], abs=0.02
    )


def test_a_folder_is_decoded_once(folder: Path, options: ReadOptions) -> None:
    """One reading makes all splits, the next one maps the same files; a changed picture makes others."""
    first = read_dataset(folder, "train", COLOUR, options)
    written = sorted(options.cache_dir.glob("*.u8"))
    assert len(written) == 2 * len(SPLITS)  # pictures, and what each is from
    times = [path.stat().st_mtime_ns for path in written]
    second = read_dataset(folder, "train", COLOUR, options)
    read_dataset(folder, "valid", COLOUR, options)
    assert [
        path.stat().st_mtime_ns for path in sorted(options.cache_dir.glob("*.u8"))
    ] == times
    assert isinstance(first, np.memmap)
    assert isinstance(second, np.memmap)
    assert first.filename == second.filename
    assert not first.flags.writeable
    Image.new("RGB", (4, 4), (222, 0, 0)).save(folder / "01.JPG", quality=100)
    after = [read_dataset(folder, split, COLOUR, options) for split in SPLITS]
    assert any(n >= 220 for n in chain(*map(numbers, after)))


def test_pictures_are_cropped_to_the_middle_and_resized_by_the_named_filter() -> None:
    """A wide picture loses its sides; box averages whole blocks."""
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16] = np.random.default_rng(0).integers(0, 256, (8, 8, 3))
    box = fit(Image.fromarray(wide), COLOUR, ReadOptions("box"))
    blocks = wide[:, 8:16].reshape(4, 2, 4, 2, 3).mean(axis=(1, 3)).transpose(2, 0, 1)
    np.testing.assert_allclose(box, blocks, atol=1)
    lanczos = fit(Image.fromarray(wide), COLOUR, ReadOptions("lanczos"))
    assert (lanczos != box).any()
    assert fit(Image.fromarray(wide), GREY, ReadOptions("box")).shape == (1, 4, 4)


def test_pictures_of_any_mode_are_converted() -> None:
    """Palette, alpha, bits, 16 bits and CMYK all become bytes of the network's colours."""
    grey = np.arange(16, dtype=np.uint16).reshape(4, 4)
    for mode in ("1", "L", "P", "RGBA", "LA", "CMYK"):
        assert fit(
            Image.fromarray(grey.astype(np.uint8)).convert(mode),
            COLOUR,
            ReadOptions("lanczos"),
        ).shape == (
            3,
            4,
            4,
        )
    assert (
        fit(Image.fromarray(grey * 4096), GREY, ReadOptions("lanczos"))[0] == grey * 16
    ).all()


@pytest.mark.parametrize("maximum", [65535, 1023])
def test_a_deep_pgm_is_read_by_its_upper_bits(
    tmp_path: Path, options: ReadOptions, maximum: int
) -> None:
    """Pillow opens it with 32 bits, which it would clip to white."""
    greys = np.arange(16).reshape(4, 4) * 17
    for i in range(20):
        deep = np.roll(greys, i).ravel() * maximum // 255
        numbers = " ".join(map(str, deep))
        (tmp_path / f"{i}.pgm").write_text(f"P2 4 4 {maximum}\n{numbers}\n")
    train = read_dataset(tmp_path, "train", GREY, options)
    assert (np.sort(train.reshape(-1, 16)) == np.sort(greys.ravel())).all()
    one = read_pixels(tmp_path / "0.pgm", GREY)[0]
    assert (one == greys).all()


@pytest.mark.parametrize("mode", ["F", "I"])
def test_numbers_of_32_bits_are_no_greys(tmp_path: Path, mode: str) -> None:
    """Nothing says which of them is white: Pillow would clip them at 255."""
    Image.new(mode, (4, 4), 1).save(tmp_path / "heights.tiff")
    with pytest.raises(DataError, match=r"heights.tiff: .* save it as 8-bit grey"):
        read_pixels(tmp_path / "heights.tiff", GREY)
    with pytest.raises(DataError, match="cannot be read as images: heights"):
        read_dataset(tmp_path, "train", GREY, ReadOptions("lanczos"))


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3)])
def test_transparent_colour_of_16_bits_is_refused(
    tmp_path: Path, colour_type: int, channels: int
) -> None:
    """Of the pixels the upper 8 bits are left: 0x3400 would be the colour 0x1234."""
    line = b"\0" + b"\x12\x34" * channels + b"\x34\0" * channels
    transparent = chunk(b"tRNS", b"\x12\x34" * channels)
    deep = raw_png(2, 1, 16, colour_type, line, transparent)
    (tmp_path / "deep.png").write_bytes(deep)
    with pytest.raises(DataError, match=r"deep.png: .* save it with 8 bits"):
        read_pixels(tmp_path / "deep.png", GREY)
    with pytest.raises(DataError, match="cannot be read as images: deep"):
        read_dataset(tmp_path, "train", GREY, ReadOptions("lanczos"))


def test_transparent_pixels_lie_on_black_in_grey_and_on_white_in_colour(
    tmp_path: Path,
) -> None:
    """Whatever colour is hidden there; so the picture is not one that is taken as it is."""
    picture = Image.new("RGBA", (4, 4), (200, 0, 0, 0))
    picture.paste((200, 0, 0, 255), (0, 0, 2, 4))
    picture.save(tmp_path / "half.png")
    assert (
        fit(picture, COLOUR, ReadOptions("lanczos"))[:, 0].T.tolist()
        == [[200, 0, 0]] * 2 + [[255] * 3] * 2
    )
    assert fit(picture, GREY, ReadOptions("lanczos"))[0, 0].tolist() == [60, 60, 0, 0]
    assert converted_pictures(tmp_path, ["half.png"], COLOUR) == 1


def test_a_picture_stands_upright_when_its_camera_was_turned() -> None:
    """The orientation that a camera noted is applied."""
    turned = Image.new("L", (4, 4))
    turned.putpixel((0, 0), 255)
    turned.getexif()[0x0112] = 3
    assert fit(turned, GREY, ReadOptions("box"))[0, 3, 3] == 255


def test_unreadable_pictures_are_counted_and_named_once(
    folder: Path, options: ReadOptions, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning for all, also for a phone's pictures, which are not read; the rest is read."""
    names = [path.name for path in sorted(folder.glob("*.*"))][:2]
    (folder / names[0]).write_bytes(b"not a picture")
    (folder / names[1]).write_bytes((folder / names[1]).read_bytes()[:40])
    (folder / "0.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    with caplog.at_level(logging.WARNING):
        assert (
            sum(len(read_dataset(folder, split, COLOUR, options)) for split in SPLITS)
            == 58
        )
    (record,) = caplog.records
    assert "3 of 61 files" in record.getMessage()
    assert "0.HEIC" in record.getMessage()
    assert names[0] in record.getMessage()
    assert names[1] in record.getMessage()
    report = PictureFolder(folder, options).reading_report(COLOUR)  # from the cache
    assert f"3 cannot be and are left out (0.HEIC, {names[0]}, {names[1]})" in report


def test_a_folder_is_refused_when_no_picture_can_be_read(
    tmp_path: Path, options: ReadOptions
) -> None:
    """Nothing to train on is an error, not an empty data set; so is an empty split."""
    directory = tmp_path / "broken"
    directory.mkdir()
    for i in range(20):
        (directory / f"{i}.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read as images"):
        read_dataset(directory, "train", COLOUR, options)
    for i in range(20):
        noise(0).save(directory / f"{i}.png")
    with pytest.raises(
        DataError,
        match=r"no picture for the train split in .*, which has 20: expected 3 different",
    ):
        read_dataset(directory, "train", COLOUR, options)


@pytest.mark.parametrize("count", [3, 4, 20])
def test_of_few_pictures_some_are_held_back(
    tmp_path: Path, options: ReadOptions, count: int
) -> None:
    """Where the hash would leave a split empty, each has its tenth, or one; copies are on one side."""
    directory, made = tmp_path / "few", 0
    directory.mkdir()
    for seed in range(1000):
        if made < count and split_at(hashed_share(noise(seed).tobytes())) == "train":
            made += 1
            for copy in "ab":
                noise(seed).save(directory / f"{seed}{copy}.png")
    found = [read_dataset(directory, split, COLOUR, options) for split in SPLITS]
    different = [{image.tobytes() for image in values} for values in found]
    held_out = max(1, count // 10)
    assert sorted(map(len, different)) == sorted(
        [count - 2 * held_out, held_out, held_out]
    )
    assert len(set.union(*different)) == count
    assert sum(map(len, found)) == 2 * count


@pytest.mark.parametrize("count", [3, 20])
def test_of_few_images_in_an_array_some_are_held_back(
    tmp_path: Path, options: ReadOptions, count: int
) -> None:
    """As of few pictures; labels stay with their images."""
    images = [np.asarray(noise(seed, 4)) for seed in range(1000)]
    few = np.stack(
        [image for image in images if hashed_split(image.tobytes()) == "train"][:count]
    )
    numbers = np.arange(count)
    np.savez(tmp_path / "few.npz", few, labels=numbers)
    config = COLOUR.with_overrides(labels=count)
    held_out = max(1, count // 10)
    seen: list[int] = []
    for split, size in zip(
        SPLITS, (count - 2 * held_out, held_out, held_out), strict=True
    ):
        values, labels = read_labelled(tmp_path / "few.npz", split, config, options)
        assert len(values) == size
        assert (values == few[labels.numbers].transpose(0, 3, 1, 2)).all()
        seen += labels.numbers.tolist()
    assert sorted(seen) == numbers.tolist()


def test_an_array_is_split_by_its_images(tmp_path: Path, options: ReadOptions) -> None:
    """.npy, and .npz with one array; grey without a colour axis, colour with one; copies are on one side."""
    images = np.random.default_rng(0).integers(0, 256, (50, 4, 4, 3)).astype(np.uint8)
    images[25:30] = images[:5]
    np.save(tmp_path / "colour.npy", images)
    np.savez(tmp_path / "grey.npz", images[..., 0])
    for split in SPLITS:
        chosen = [hashed_split(image.tobytes()) == split for image in images]
        expected = images[chosen].transpose(0, 3, 1, 2)
        assert (
            read_dataset(tmp_path / "colour.npy", split, COLOUR, options) == expected
        ).all()
        chosen = [hashed_split(image.tobytes()) == split for image in images[..., 0]]
        assert (
            read_dataset(tmp_path / "grey.npz", split, GREY, options)[:, 0]
            == images[chosen][..., 0]
        ).all()


def test_more_images_in_an_array_move_none_of_the_others(
    tmp_path: Path, options: ReadOptions
) -> None:
    """Also when they come first."""
    images = np.random.default_rng(0).integers(0, 256, (60, 4, 4)).astype(np.uint8)
    np.save(tmp_path / "few.npy", images[20:])
    np.save(tmp_path / "more.npy", images)
    for split in SPLITS:
        few, more = (
            read_dataset(tmp_path / f"{name}.npy", split, GREY, options)
            for name in ("few", "more")
        )
        assert {image.tobytes() for image in few} <= {image.tobytes() for image in more}


def test_an_archive_keeps_its_own_splits(tmp_path: Path, options: ReadOptions) -> None:
    """Arrays named train and test are those splits, and valid is not made up."""
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4)).astype(np.uint8)
    np.savez_compressed(tmp_path / "own.npz", train=images, test=images[:2])
    assert (
        read_dataset(tmp_path / "own.npz", "train", GREY, options)[:, 0] == images
    ).all()
    assert len(read_dataset(tmp_path / "own.npz", "test", GREY, options)) == 2
    assert "its own splits" in open_dataset(tmp_path / "own.npz").description
    with pytest.raises(DataError, match="no valid split"):
        read_dataset(tmp_path / "own.npz", "valid", GREY, options)


@pytest.mark.parametrize("kind", [np.uint8, np.bool_])
def test_an_array_of_values_is_taken_as_it_is(
    tmp_path: Path, options: ReadOptions, kind: type
) -> None:
    """0 and 1 are the values of a network of two, not two shades of black; the splits of a file are read alike."""
    binary = GREY.with_overrides(values=2)
    images = np.random.default_rng(0).integers(0, 2, (40, 4, 4)).astype(kind)
    np.savez(tmp_path / "own.npz", train=images, test=np.zeros((2, 4, 4), kind))
    assert (
        read_dataset(tmp_path / "own.npz", "train", binary, options)[:, 0] == images
    ).all()
    np.savez(
        tmp_path / "mixed.npz", train=images, test=np.full((2, 4, 4), 255, np.uint8)
    )
    assert not read_dataset(tmp_path / "mixed.npz", "train", binary, options).any()
    np.save(tmp_path / "one.npy", images)
    assert (
        sum(
            read_dataset(tmp_path / "one.npy", split, binary, options).sum()
            for split in SPLITS
        )
        == images.sum()
    )
    assert "bytes 0 to 1 as" in open_dataset(tmp_path / "one.npy").description


def test_bytes_are_pixels_when_one_is_no_value(
    tmp_path: Path, options: ReadOptions
) -> None:
    """A byte that the network has no value for makes the whole file one of pixels."""
    images = np.zeros((20, 4, 4), np.uint8)
    images[0, 0, 0] = 4
    np.savez(tmp_path / "own.npz", train=images)
    for values, expected in ((4, 0), (5, 4)):
        read = read_dataset(
            tmp_path / "own.npz", "train", GREY.with_overrides(values=values), options
        )
        assert read.max() == expected


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


def test_a_cache_that_cannot_be_written_is_an_error(
    folder: Path, tmp_path: Path
) -> None:
    """The directory is named."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot keep decoded images"):
        read_dataset(folder, "train", COLOUR, ReadOptions(cache=tmp_path / "file"))
