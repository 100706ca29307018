"""`pixelrnn verify`: a picture is drawn again from what it says, and every pixel must be the same."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app.imaging.render import Canvas, grid_file, sample_file
from model_core import load_model, sample, save_model, shipped
from model_core.card import Card, CardLabel
from model_core.data.images import cut, tile
from model_core.data.pixels import values_to_pixels
from tests import verification
from tests.client.by_command import run
from tests.labelled_models import labelled
from tests.tiny_models import save_tiny_tiles
from worker.contract.jobs import JobSpec
from worker.contract.picture_file import origin_of


def drawn(models_dir: Path, path: Path, *arguments: object) -> Path:
    assert (
        run("sample", *arguments, "--models-dir", models_dir, "--out", path).exit_code
        == 0
    )
    return path


def changed(
    source: Path, path: Path, at: tuple[int, int] | None, **texts: str | None
) -> Path:
    """The picture with one pixel inverted, and with other words, or none, for some of those that it says."""
    with Image.open(source) as image:
        chunks = PngInfo()
        for key, value in {**image.info, **texts}.items():
            if value is not None:
                chunks.add_text(str(key), value)
        if at is not None:
            inverted: Any = Image.eval(image, lambda value: 255 - value).getpixel(at)
            image.putpixel(at, inverted if image.mode == "L" else (7, 7, 7))
        image.save(path, pnginfo=chunks)
    return path


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("tiny-cnn", ("--n", 7, "--scale", 3, "--first", 64)),
        ("tiny-diagonal", ()),
        ("tiny-rgb", ("--n", 2)),
        ("tiny-scales", ()),
    ],
)
def test_drawn_picture_is_verified_and_a_changed_pixel_is_named(
    all_models_dir: Path, tmp_path: Path, model: str, options: tuple[object, ...]
) -> None:
    """One or a table of several, enlarged or not, from any number on, at a temperature; the exit code says it too."""
    picture = drawn(
        all_models_dir,
        tmp_path / "drawn.png",
        model,
        "--seed",
        5,
        "--temperature",
        0.8,
        *options,
    )
    result = run("verify", picture, "--models-dir", all_models_dir, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout.splitlines()[-1])
    assert (facts["verified"], facts["model"], facts["seed"], facts["changed"]) == (
        True,
        model,
        5,
        [],
    )
    x, y, sample_number = (1, 2, 0) if len(options) < 4 else (1, 3, 67)
    at = (x, y) if len(options) < 4 else (3 * (0 * 6 + x), 3 * (7 + y) + 1)
    forged = changed(picture, tmp_path / "forged.png", at)
    result = run("verify", forged, "--models-dir", all_models_dir, "--json")
    assert result.exit_code == 1
    facts = json.loads(result.stdout.splitlines()[-1])
    assert (facts["verified"], facts["changed_pixels"]) == (False, 1)
    assert facts["changed"] == [{"sample": sample_number, "x": x, "y": y}]
    assert f"({x}, {y}) of sample {sample_number}" in result.stderr


def test_pictures_of_the_service_are_verified_without_it(
    models_dir: Path, tmp_path: Path
) -> None:
    """A sample and a grid as the API writes them; another seed is told by many pixels."""
    model = load_model("tiny-rgb", models_dir=models_dir)
    pixels = values_to_pixels(sample(model, 3, seed=9).numpy(), 4).transpose(0, 2, 3, 1)
    shape = {"height": 5, "width": 4, "channels": 3}
    how = {
        "model": "tiny-rgb",
        "digest": model.card.sha256,
        "seed": 9,
        "n": 3,
        "temperature": 1.0,
    }
    spec = JobSpec.model_validate({"id": "a", "kind": "sample", **how, **shape})
    for numerics in (None, "cpu-compiled"):
        images = {i: image.tobytes() for i, image in enumerate(pixels)}
        canvas = Canvas(3, 5, 4, 3, images, origin_of(spec, numerics))
        for written in (sample_file(canvas, 2, 4), grid_file(canvas, 1)):
            (tmp_path / "ours.png").write_bytes(written)
            result = run("verify", tmp_path / "ours.png", "--models-dir", models_dir)
            assert result.exit_code == 0, result.output
            other = changed(
                tmp_path / "ours.png", tmp_path / "other.png", (0, 0), seed="10"
            )
            assert run("verify", other, "--models-dir", models_dir).exit_code == 1


def test_picture_goes_by_the_weights_where_the_card_has_changed(
    models_dir: Path, tmp_path: Path
) -> None:
    """The answer says so, but where the picture names no identity, as those of earlier versions."""
    picture = drawn(models_dir, tmp_path / "drawn.png", "tiny-cnn", "--seed", 5)
    card = Card.read(models_dir / "tiny-cnn" / "card.json")
    with Image.open(picture) as image:
        assert (image.info["digest"], image.info["identity"]) == (
            card.sha256,
            card.identity,
        )
    for identity, is_told in ((card.identity, False), (None, False), ("ab" * 32, True)):
        retold = changed(picture, tmp_path / "retold.png", None, identity=identity)
        result = run("verify", retold, "--models-dir", models_dir, "--json")
        facts = json.loads(result.stdout.splitlines()[-1])
        assert (facts["verified"], facts["card_changed"]) == (True, is_told)
        assert ("card has changed since" in result.stderr) == is_told


def test_picture_of_a_label_that_was_renamed_is_refused(tmp_path: Path) -> None:
    """By its name: nobody can tell which label it was. Other priors do not matter to an image whose label is said."""
    save_model(labelled(height=6, width=5), tmp_path / "models" / "labelled")
    card = tmp_path / "models" / "labelled" / "card.json"
    picture = drawn(
        tmp_path / "models",
        tmp_path / "drawn.png",
        "labelled",
        "--seed",
        5,
        "--label",
        "b",
    )
    for names, refused in (("abc", False), ("axc", True)):
        labels = tuple(map(CardLabel, names, (0.25, 0.25, 0.5)))
        replace(Card.read(card), labels=labels).write(card)
        result = run("verify", picture, "--models-dir", tmp_path / "models")
        assert ("drawn with the label 'b'" in str(result.exception)) == refused
        told = "verified: labelled drew it with seed 5, every pixel; the model's card has changed since"
        assert (told in result.stderr) != refused


def test_picture_of_which_nobody_can_tell_is_refused(
    models_dir: Path, tmp_path: Path
) -> None:
    """Saved again, turned to other colours, cut, of no model here, of other numerics, a completion, no PNG, nothing."""
    picture = drawn(models_dir, tmp_path / "drawn.png", "tiny-cnn", "--seed", 5)
    hole = tmp_path / "hole.png"
    Image.fromarray(np.full((6, 5), 255, np.uint8)).save(hole)
    completion = tmp_path / "completion.png"
    assert (
        run(
            "complete",
            "tiny-cnn",
            picture,
            hole,
            "--models-dir",
            models_dir,
            "--out",
            completion,
        ).exit_code
        == 0
    )
    with Image.open(picture) as image:
        kept = PngInfo()
        for key, value in image.info.items():
            kept.add_text(str(key), value)
        image.save(tmp_path / "again.png")
        tinted = image.convert("RGB")
        tinted.putpixel((0, 0), (1, 2, 3))
        tinted.save(tmp_path / "colours.png", pnginfo=kept)
        image.crop((0, 0, 4, 6)).save(tmp_path / "cut.png", pnginfo=kept)
        image.save(tmp_path / "other.jpeg")
    changed(picture, tmp_path / "weights.png", (0, 0), digest="ab" * 32)
    changed(picture, tmp_path / "numerics.png", (0, 0), numerics="cuda-torch")
    for name, words in (
        ("again.png", "does not say how it was drawn"),
        ("colours.png", "other colours than it was written with"),
        ("cut.png", "is 4x6, expected 5x6 or a multiple of that"),
        ("weights.png", "has the sha256 abababababab"),
        (
            "numerics.png",
            "drawn with cuda-torch numerics and would be drawn here with cpu-compiled",
        ),
        ("completion.png", "this is a completion, and only samples can be verified"),
        ("other.jpeg", "is not a PNG"),
        ("none.png", "cannot read"),
    ):
        result = run("verify", tmp_path / name, "--models-dir", models_dir)
        assert words in str(result.exception), name


def test_table_is_cut_as_it_was_put_together() -> None:
    """Every number of images up to ten, and an enlarged table."""
    rng = np.random.default_rng(1)
    for count in range(1, 11):
        images = rng.integers(0, 256, (count, 3, 4, 5)).astype(np.uint8)
        for scale in (1, 3):
            table = tile(images).repeat(scale, axis=0).repeat(scale, axis=1)
            found = cut(table, count, 4, 5)
            np.testing.assert_array_equal(found.images, images)
            assert not found.broken.any()
            assert not found.foreign.any()


def painted(
    source: Path, path: Path, places: Sequence[tuple[int, int]], **texts: str
) -> Path:
    """The picture with other values at these places, and with other texts."""
    with Image.open(source) as image:
        chunks = PngInfo()
        for key, value in {**image.info, **texts}.items():
            if isinstance(value, str):
                chunks.add_text(key, value)
        for place in places:
            value: Any = image.getpixel(place)
            image.putpixel(
                place,
                (value + 1) % 17 if image.mode in "LP" else (*value[:2], 9),
            )
        bits: dict[str, Any] = {"bits": 8} if image.mode == "P" else {}
        image.save(path, pnginfo=chunks, **bits)
    return path


@pytest.fixture(scope="module")
def many_models_dir(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`models_dir`, and the models with palettes."""
    directory = tmp_path_factory.mktemp("many") / "models"
    shutil.copytree(models_dir, directory)
    save_tiny_tiles(directory)
    return directory


SQUARE = [(x, y) for x in (0, 1) for y in (0, 1)]
"""The pixels of an enlarged pixel, at scale 2."""


@pytest.mark.parametrize("model", ["tiny-cnn", "tiny-rgb", "tiny-tiles", "tiny-all"])
@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("place", ["cell", "line", "margin"])
def test_forged_sheet_is_not_verified(
    many_models_dir: Path, tmp_path: Path, model: str, scale: int, place: str
) -> None:
    """A foreign image in a cell that the text declares empty, one pixel of a line
    between images, and one of the margin beside an empty cell."""
    picture = drawn(
        many_models_dir,
        tmp_path / "drawn.png",
        model,
        "--seed",
        5,
        "--n",
        4 if place == "cell" else 3,
        "--scale",
        scale,
    )
    with Image.open(picture) as image:
        width, height = image.width // scale, image.height // scale
    x, y = {
        "cell": (width - 1, height - 1),
        "line": (width // 2, 0),
        "margin": (width - 1, height // 2),
    }[place]
    squares = SQUARE if scale == 2 else [(0, 0)]
    places = [(scale * x + dx, scale * y + dy) for dx, dy in squares]
    forged = painted(picture, tmp_path / "forged.png", places, samples="3")

    result = run("verify", forged, "--models-dir", many_models_dir, "--json")

    assert result.exit_code == 1, result.output
    facts = json.loads(result.stdout.splitlines()[-1])
    assert facts["verified"] is False
    if place != "cell":
        assert facts["changed"] == [{"sample": None, "x": x, "y": y}]
        assert f"({x}, {y}) of the sheet, outside its images" in result.stderr


def test_half_of_an_enlarged_pixel_of_a_line_is_noticed(
    models_dir: Path, tmp_path: Path
) -> None:
    """One of the four pixels of a square between the images of a sheet."""
    how = ("tiny-cnn", "--n", 2, "--scale", 2)
    picture = drawn(models_dir, tmp_path / "drawn.png", *how)
    forged = painted(picture, tmp_path / "forged.png", [(11, 3)])
    result = run("verify", forged, "--models-dir", models_dir, "--json")
    facts = json.loads(result.stdout.splitlines()[-1])
    assert facts["changed"] == [{"sample": None, "x": 5, "y": 1}]


@pytest.mark.parametrize("name", verification.ANSWERS)
def test_set_of_pictures_is_verified(name: str) -> None:
    """Honest and forged ones, and those of earlier versions, with shipped models."""
    picture = verification.FOLDER / name
    result = run("verify", picture, "--models-dir", shipped.MODELS)
    readers = verification.ANSWERS[name]["verified_by"]
    assert (result.exit_code == 0) == ("command" in readers), result.output


def test_table_of_the_documentation_is_the_set() -> None:
    """Each way of the set is a row of docs/verification.md, with the same answers."""
    page = (Path(__file__).parents[2] / "docs" / "verification.md").read_text()
    rows = [
        line.strip("| ").split(" | ") for line in page.splitlines() if line[:1] == "|"
    ]
    told = {row[-1].strip("`"): row[1:3] for row in rows}
    for name, answer in verification.ANSWERS.items():
        way = name.removesuffix(".png").partition("-")[2]
        if name[0].isdigit():
            continue
        readers = answer["verified_by"]
        expected = ["yes" if who in readers else "no" for who in ("service", "browser")]
        assert told[way] == expected, name
