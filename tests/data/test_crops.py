"""Crops of larger pictures: taken anywhere, divided by place, the same for the same seed."""

import tracemalloc
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from model_core import load_model
from model_core.config import preset
from model_core.data.crops import Crops
from model_core.data.datasets import open_dataset, read_dataset
from model_core.data.folder import PictureFolder
from model_core.data.options import ReadOptions
from model_core.data.picture_files import unpacked_size
from model_core.data.picture_names import find_pictures
from model_core.errors import ConfigError, DataError
from model_core.training.batches import Batches
from model_core.training.categories import categories_of
from model_core.training.images import RunImages
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest, train
from model_core.training.scoring import score_model

GREY = preset("mnist-row-lstm").with_overrides(height=3, width=4, values=256)
SPLITS = ("train", "valid", "test")


def numbered(width: int, height: int) -> NDArray[np.uint8]:
    """A picture (H, W, 3) of which every pixel has another colour: its place, x, y."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x, y, np.zeros_like(x)], -1).astype(np.uint8)


def places(images: NDArray[np.generic]) -> set[tuple[int, int]]:
    """The pixels of numbered(...) in images (N, 3, h, w)."""
    return {
        (int(x), int(y)) for x, y in images[:, :2].transpose(0, 2, 3, 1).reshape(-1, 2)
    }


def opened(folder: Path, *pictures: NDArray[np.uint8]) -> PictureFolder:
    folder.mkdir(exist_ok=True)
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{i}.png")
    dataset = open_dataset(
        folder, ReadOptions(cache=folder.parent / "cache", crops=True)
    )
    assert isinstance(dataset, PictureFolder)
    return dataset


RGB = GREY.with_overrides(channels=3)


@pytest.mark.parametrize(
    ("width", "height"), [(60, 20), (20, 60), (24, 24), (12, 3), (13, 9)]
)
def test_no_crop_of_one_split_overlaps_another(
    tmp_path: Path, width: int, height: int
) -> None:
    """Of one picture: the last tenth of its longer side tests, the one before it validates, each at least a crop long;
    training takes every place of the rest."""
    folder = opened(tmp_path / "one", numbered(width, height))
    seen = {split: set[tuple[int, int]]() for split in SPLITS}
    for split in SPLITS:
        crops = folder.crops(split, RGB)
        generator = np.random.default_rng(0)
        for _ in range(1000):
            images = crops.at_random(generator.integers(len(crops), size=8), generator)
            assert images.shape == (8, 3, 3, 4)
            np.testing.assert_array_equal(
                images[:, 0, :, 1:] - images[:, 0, :, :-1], 1
            )  # a part as it is
            seen[split] |= places(images)
        assert places(folder.read(split, RGB)) <= seen[split]
        assert len(folder.read(split, RGB)) == len(crops)
    assert not any(seen[one] & seen[other] for one, other in combinations(SPLITS, 2))
    assert seen["train"] | seen["valid"] | seen["test"] == places(
        numbered(width, height).transpose(2, 0, 1)[None]
    )


def test_pictures_that_are_too_short_are_whole_in_one_split(tmp_path: Path) -> None:
    """By the hash of their pixels; those without a single crop are left out, and a split without any says so."""
    generator = np.random.default_rng(1)
    small = [generator.integers(0, 256, (4, 9, 3)).astype(np.uint8) for _ in range(60)]
    folder = opened(tmp_path / "small", *small, numbered(50, 2))
    counts = [len(folder.crops(split, RGB)) for split in SPLITS]
    assert sum(counts) == 2 * 60
    assert counts[0] > counts[1] + counts[2]
    with pytest.raises(DataError, match="has a crop of 4x3 for the valid split"):
        opened(tmp_path / "none", numbered(50, 2)).read("valid", RGB)


def test_values_and_palettes_are_those_of_other_pictures(tmp_path: Path) -> None:
    """Greys become the nearest values, and categories the colours of the whole picture."""
    folder = opened(tmp_path / "one", numbered(60, 20))
    four = GREY.with_overrides(values=4)
    assert set(np.unique(folder.read("train", four))) <= {0, 1, 2, 3}
    striped = np.zeros((30, 9, 3), np.uint8)
    striped[::2] = (255, 0, 0)
    striped[-1] = (0, 255, 0)  # in the part that tests
    opened(tmp_path / "striped", striped)
    found = categories_of(recipe(tmp_path / "striped", 'data.palette="auto"'))
    assert len(found.palette) == 3
    assert set(
        np.unique(
            read_dataset(
                tmp_path / "striped",
                "test",
                found.recipe.network.config(),
                ReadOptions(
                    cache=tmp_path / "cache", palette=found.palette, crops=True
                ),
            )
        )
    ) == {0, 1, 2}


def recipe(path: Path, *changes: str) -> Recipe:
    network = {
        "preset": "mnist-row-lstm",
        "height": 3,
        "width": 4,
        "values": 4,
        "layers": 1,
        "hidden": 2,
        "head": 2,
    }
    tree = {
        "network": network,
        "data": {"path": str(path), "crops": True},
        "training": {"epochs": 1, "batch": 4},
    }
    return Recipe.from_tree(tree, changes, "test")


def test_batches_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    """Wherever a run goes on; another epoch takes other places."""
    opened(tmp_path / "one", numbered(60, 20))
    train, labels = RunImages(
        recipe(tmp_path / "one", "network.values=256"), tmp_path / "run"
    ).train()
    assert isinstance(train, Crops)
    assert labels is None
    first, again, other = (Batches(train, 4, seed) for seed in (3, 3, 4))
    expected = [first.at(i).clone() for i in range(2 * first.per_epoch)]
    assert (again.at(first.per_epoch + 1) == expected[first.per_epoch + 1]).all()
    assert (again.at(1) == expected[1]).all()
    assert (other.at(1) != expected[1]).any()
    assert len(
        {image.numpy().tobytes() for batch in expected for image in batch}
    ) > len(train)


def test_pictures_are_in_memory_once(tmp_path: Path) -> None:
    """The parts of a split, and a few whole pictures at a time."""
    folder = opened(tmp_path / "many", *[numbered(200, 100)] * 160)
    size = unpacked_size(folder.path, find_pictures(folder.path), channels=3)
    assert size == 160 * 200 * 100 * 3
    tracemalloc.start()
    crops = folder.crops("train", RGB)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(crops) == 160 * (160 // 4) * (100 // 3)
    assert peak < 1.3 * size


def test_memory_of_pictures_is_known_by_their_headers(tmp_path: Path) -> None:
    """Grey ones have one colour, others three, unless the network has another number;
    what cannot be read takes none."""
    Image.new("1", (30, 20)).save(tmp_path / "1.png")
    Image.new("P", (30, 20)).save(tmp_path / "2.gif")
    Image.new("RGBA", (30, 20)).save(tmp_path / "3.png")
    (tmp_path / "4.png").write_bytes(b"no picture")
    names = find_pictures(tmp_path)
    assert unpacked_size(tmp_path, names, None) == 600 * (1 + 3 + 3)
    assert unpacked_size(tmp_path, names, 1) == 600 * 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["network.labels=2"], "no network.labels"),
        (["data.train_images=5"], "no data.train_images"),
        (['data.path="{array}"'], "expected a folder of pictures"),
    ],
)
def test_what_has_no_crops_is_refused(
    tmp_path: Path, changes: list[str], words: str
) -> None:
    """Labels, and data that is no folder of pictures."""
    opened(tmp_path / "one", numbered(60, 20))
    np.save(tmp_path / "images.npy", np.zeros((9, 30, 40), np.uint8))
    changes = [change.format(array=tmp_path / "images.npy") for change in changes]
    with pytest.raises(ConfigError, match=words):
        RunImages(recipe(tmp_path / "one", *changes), tmp_path / "run").train()
    with pytest.raises(ConfigError, match=words):
        RunImages(recipe(tmp_path / "one", *changes), tmp_path / "run").valid()


def test_a_run_says_what_it_took_and_is_scored_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """From recipe to model: a run that stopped goes on to the same weights, and its test split is that of its crops."""
    generator = np.random.default_rng(5)
    opened(tmp_path / "one", generator.integers(0, 256, (20, 60, 3)).astype(np.uint8))
    changes = [
        "output.samples=0",
        "output.tensorboard=false",
        "training.ema=0",
        "training.epochs=2",
        "training.schedule=constant",
    ]
    for name, stop in (("whole", ()), ("halves", ("training.epochs=1",))):
        run = tmp_path / "runs" / name
        if stop:
            train(RunRequest(recipe(tmp_path / "one", *changes, *stop), run))
        train(
            RunRequest(
                recipe(tmp_path / "one", *changes), run, bool(stop), tmp_path / "models"
            )
        )
    assert (
        "1 picture file: crops of 4x3 are taken at random places; 6, side by side, are kept"
        in capfd.readouterr().err
    )
    whole, halves = (
        load_model(str(tmp_path / "models" / name)) for name in ("whole", "halves")
    )
    assert whole.card.sha256 == halves.card.sha256
    assert "crops at random places" in whole.card.data
    assert score_model(whole, tmp_path / "one", "test").images == 6
