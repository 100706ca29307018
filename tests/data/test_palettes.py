"""Colours of the data as categories: folders of pictures, archives with a palette, and what a run takes of them."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.imaging.palette import palette_values
from model_core import load_model
from model_core.card import Card
from model_core.data.datasets import read_dataset
from model_core.data.options import ReadOptions
from model_core.data.palette import colours_of, match_colours, median_cut, palette_of
from model_core.errors import DataError, ModelError
from model_core.training.categories import categories_of
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest, train
from tests.tiny_models import save_tiny_tiles

COLOURS = ("#00000000", "#1a1c2c", "#b13e53", "#ffcd75")
RECIPE = """
[network]
preset = "mnist-pixelcnn"
height = 4
width = 5
layers = 1
hidden = 4
head = 4
[data]
path = "x"
[training]
epochs = 1
[output]
samples = 4
tensorboard = false
"""


def picture(seed: int, colours: tuple[str, ...] = COLOURS) -> Image.Image:
    """5 x 4 pixels of these colours, in blocks of two, in an order of its own."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(colours))
    image = Image.fromarray(
        random.integers(0, len(colours), (4, 5)).astype(np.uint8), "L"
    )
    rgba = colours_of([colours[i] for i in order])
    image.putpalette(rgba[:, :3].tobytes())
    image.info["transparency"] = rgba[:, 3].tobytes()
    return image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixty indexed pictures whose palettes have other orders."""
    (tmp_path / "tiles").mkdir()
    for i in range(60):
        picture(i).save(tmp_path / "tiles" / f"{i}.png")
    return tmp_path / "tiles"


def run(tmp_path: Path, data: Path, *changes: str) -> Card:
    """The card of a model that was trained for an epoch."""
    (tmp_path / "recipe.toml").write_text(RECIPE)
    recipe = Recipe.load(tmp_path / "recipe.toml", [f"data.path={data}", *changes])
    assert train(
        RunRequest(recipe, tmp_path / "runs" / "m", publish_to=tmp_path / "models")
    ).finished
    return load_model("m", models_dir=tmp_path / "models").card


def test_photograph_takes_the_nearest_colours() -> None:
    """Of more colours than are compared at once, by training and by the service alike;
    of equally near ones the first."""
    random = np.random.default_rng(0)
    palette = palette_of(random.integers(0, 4, (100, 4)).astype(np.uint8) * 80 + 15)
    palette = tuple(dict.fromkeys(palette))
    pixels = random.integers(1, 256, (70, 80, 4)).astype(np.uint8)
    squares = (pixels[:, :, None].astype(int) - colours_of(palette)) ** 2
    distances = squares.sum(-1)  # (70, 80, V)
    image = Image.fromarray(pixels)
    here = match_colours(image, palette, nearest=True, name="")
    there = palette_values(image, palette, nearest=True)
    assert (here.values[0] == distances.argmin(-1)).all()
    assert there.values == here.values.tobytes()
    farthest = distances.min(-1).max() ** 0.5
    assert here.distance == pytest.approx(farthest)
    assert there.distance == round(farthest, 1)
    assert here.moved == there.moved == (distances.min(-1) > 0).sum()


def test_a_folder_without_a_picture_that_can_be_read_has_no_palette(
    tmp_path: Path,
) -> None:
    """It is refused in a sentence, also before anything looks at the pictures."""
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone" / "1.heic").write_bytes(b"of a phone")
    tree = tomllib.loads(RECIPE)
    tree["data"] = {"path": str(tmp_path / "phone"), "palette": "auto"}
    with pytest.raises(DataError, match=r"none of 1 files in .* can be read"):
        categories_of(Recipe.from_tree(tree, (), ""))


def test_a_folder_of_indexed_pictures_becomes_categories(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By their colours, whatever the order of each palette; the run says what it took, and its grids are indexed."""
    card = run(tmp_path, folder, "data.palette=auto")
    assert (
        card.palette,
        card.config.values,
        card.config.channels,
        card.config.categories,
    ) == (COLOURS, 4, 1, True)
    assert (
        f"4 categories, all that there are: {', '.join(COLOURS)}"
        in capsys.readouterr().err.replace("\n", " ")
    )
    with Image.open(next((tmp_path / "runs" / "m" / "samples").glob("*.png"))) as grid:
        assert grid.mode == "P"
    values = read_dataset(
        folder,
        "train",
        card.config,
        ReadOptions(cache=tmp_path / "cache", palette=card.palette),
    )
    every = {np.asarray(picture(i).convert("RGBA")).tobytes() for i in range(60)}
    assert all(colours_of(COLOURS)[image[0]].tobytes() in every for image in values)


def test_more_colours_than_asked_for_are_cut(tmp_path: Path, folder: Path) -> None:
    """By median cut, the transparent one kept; of pictures of another size the nearest pixels count."""
    for i in range(60):
        random = np.random.default_rng(i).integers(0, 256, (8, 10, 4), np.uint8)
        Image.fromarray(random, "RGBA").save(folder / f"{i}.png")
    card = run(tmp_path, folder, "data.palette=9")
    assert (card.config.values, len(card.palette), card.palette[0]) == (
        9,
        9,
        "#00000000",
    )
    assert "nearest resize" in card.data
    reds = np.array([[value, 0, 0, 255] for value in range(200)], np.uint8)
    assert len(median_cut(reds, np.ones(200, np.int64), 8)) == 8


def test_an_archive_brings_its_palette(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its values are categories; without a palette they are greys; what does not agree is said."""
    values = np.random.default_rng(1).integers(0, 4, (60, 4, 5)).astype(np.uint8)
    np.savez(tmp_path / "with.npz", images=values, palette=np.array(COLOURS))
    np.savez(tmp_path / "without.npz", images=values)
    card = run(tmp_path, tmp_path / "with.npz", "data.palette=auto")
    assert card.palette == COLOURS
    other = ReadOptions(cache=tmp_path / "cache", palette=COLOURS[::-1])
    with pytest.raises(DataError, match="another palette than the model"):
        read_dataset(tmp_path / "with.npz", "train", card.config, other)
    fewer = card.config.with_overrides(values=3)
    with pytest.raises(
        DataError, match="has the value 3, expected categories from 0 to 2"
    ):
        read_dataset(tmp_path / "without.npz", "train", fewer)
    for name, changes, words in (
        ("without", ["data.palette=auto"], "has no palette"),
        (
            "with",
            ["network.categories=true", "network.values=5"],
            "has 4 colours: expected network.values = 4",
        ),
    ):
        with pytest.raises(DataError, match=words):
            run_in(tmp_path / name, tmp_path / f"{name}.npz", *changes)
    greys = run_in(
        tmp_path / "greys",
        tmp_path / "without.npz",
        "network.categories=true",
        "network.values=4",
    )
    assert greys.palette == ("#000000", "#555555", "#aaaaaa", "#ffffff")


def run_in(place: Path, data: Path, *changes: str) -> Card:
    place.mkdir()
    return run(place, data, *changes)


@pytest.mark.parametrize(
    ("palette", "words"),
    [
        (["#000000", "#ffffff"], "palette must have 3 colours"),
        (["#000000", "#ffffff", "#ffffffff"], "must be different"),
        (["#12345600", "#00000000", "#000000"], "must be different"),
        (["#000000", "#ffffff", "red"], "must be written #rrggbb"),
        ([f"#{i:06x}" for i in range(257)], "palette must have 3 colours"),
        ("#00000", "not a model card"),
        (None, "not a model card"),
    ],
)
def test_a_card_with_a_wrong_palette_is_refused(
    tmp_path: Path, palette: object, words: str
) -> None:
    """Too few, too many, twice the same, no colours; a network of greys has none."""
    save_tiny_tiles(tmp_path)
    place = tmp_path / "tiny-three" / "card.json"
    facts = json.loads(place.read_text())
    place.write_text(json.dumps(facts | {"palette": palette}))
    with pytest.raises(ModelError, match=words):
        load_model("tiny-three", models_dir=tmp_path)
    facts["config"]["categories"] = False
    place.write_text(json.dumps(facts))
    with pytest.raises(ModelError, match="palette must have 0 colours"):
        load_model("tiny-three", models_dir=tmp_path)


def test_a_palette_is_part_of_the_identity(tmp_path: Path) -> None:
    """Its names are not."""
    save_tiny_tiles(tmp_path)
    card = load_model("tiny-three", models_dir=tmp_path).card
    facts = json.loads((tmp_path / "tiny-three" / "card.json").read_text())
    for more, same in (
        ({"names": ["a", "b", "c"]}, True),
        ({"palette": [*card.palette[::-1]]}, False),
    ):
        (tmp_path / "tiny-three" / "card.json").write_text(json.dumps(facts | more))
        assert (
            load_model("tiny-three", models_dir=tmp_path).card.identity == card.identity
        ) is same
    assert palette_of(colours_of(COLOURS)) == COLOURS
