"""The offline verbs from outside: what they print, where they write, how they refuse."""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from model_core.card import Card
from model_core.errors import PixelRNNError
from model_core.models import load_model
from tests.client.by_command import run as invoke
from tests.nursery import Forked


def last_json(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def test_a_model_is_trained_published_scored_and_listed(
    recipe_file: Path, stripes: Path, tmp_path: Path
) -> None:
    """train, publish, evaluate --write-card and models, one after another, as the README tells it."""
    runs, models = tmp_path / "runs", tmp_path / "models"
    trained = last_json(
        invoke(
            "train",
            recipe_file,
            "--runs-dir",
            runs,
            "--set",
            "training.epochs=1",
            "--json",
        )
    )
    assert trained["finished"] is True
    assert invoke("publish", runs / "stripes", "--models-dir", models).exit_code == 0
    score = last_json(
        invoke(
            "evaluate",
            "stripes",
            "--data",
            stripes,
            "--models-dir",
            models,
            "--write-card",
            "--json",
        )
    )
    assert score["images"] == 7
    (card,) = last_json(invoke("models", "--models-dir", models, "--json"))["models"]  # type: ignore[misc]
    assert card["name"] == "stripes"
    assert card["scores"]["nats"] == score["nats"]
    assert "stripes" in invoke("models", "--models-dir", models).stdout


def test_data_may_have_any_name(recipe_file: Path, tmp_path: Path) -> None:
    """Also one whose characters JSON writes as surrogates, which TOML does not know."""
    place = tmp_path / 'no\tthing "🎲"'
    refused = invoke("train", recipe_file, "--runs-dir", tmp_path, "--data", place)
    assert isinstance(refused.exception, PixelRNNError)
    assert f"no data at {place}:" in str(refused.exception)


def test_pictures_that_do_not_fit_are_scored_when_that_is_meant(
    models_dir: Path, tmp_path: Path
) -> None:
    """Forty of another size: refused without --yes, scored with it."""
    for i in range(40):
        Image.fromarray(
            np.random.default_rng(i).integers(0, 256, (9, 9), np.uint8)
        ).save(tmp_path / f"{i}.png")
    words = (
        "evaluate",
        "tiny-cnn",
        "--models-dir",
        models_dir,
        "--data",
        tmp_path,
        "--split",
        "train",
        "--json",
    )
    refused = invoke(*words).exception
    assert isinstance(refused, PixelRNNError)
    assert "40 of 40 pictures" in str(refused)
    assert last_json(invoke(*words, "--yes"))["images"] > 20  # type: ignore[operator]


@pytest.mark.parametrize("data", ["pictures", "Mine: pictures"])
def test_pictures_are_scored_that_were_converted_for_the_training_too(
    models_dir: Path, tmp_path: Path, data: str
) -> None:
    """Of the folder that the model was trained on, wherever it lies by now and whatever
    it is called: a service that trains knows no name of it, and a recipe has a title."""
    folder, models = tmp_path / "moved", tmp_path / "models"
    folder.mkdir()
    for i in range(40):
        pixels = np.random.default_rng(i).integers(0, 256, (9, 9, 4), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    shutil.copytree(models_dir / "tiny-cnn", models / "tiny-cnn")
    card = Card.read(models / "tiny-cnn" / "card.json")
    how = "a folder of pictures: centre crop, lanczos resize, 80 / 10 / 10 % by hash of the pixels"
    replace(card, data=f"{data} ({how})").keep(models / "tiny-cnn")
    words = "evaluate", "tiny-cnn", "--models-dir", models, "--data", folder
    assert last_json(invoke(*words, "--json"))["images"] > 1  # type: ignore[operator]
    box = how.replace("lanczos", "box")
    replace(card, data=f"{data} ({box})").keep(models / "tiny-cnn")
    assert isinstance(invoke(*words).exception, PixelRNNError)


@pytest.mark.parametrize(
    ("training", "how"),
    [
        (
            {"crops": True},
            "crops at random places, 80 / 10 / 10 % of each picture's longer side",
        ),
        (
            {"resize": "box"},
            "centre crop, box resize, 80 / 10 / 10 % by hash of the pixels",
        ),
    ],
)
def test_a_mixture_is_scored_on_the_images_of_its_members(
    models_dir: Path, tmp_path: Path, training: dict[str, object], how: str
) -> None:
    """`mix` leaves the facts of the training to the members: a mixture's pictures are
    cropped and resized like theirs, without --yes."""
    models = tmp_path / "models"
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(40):
        pixels = np.random.default_rng(i).integers(0, 256, (24, 24), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    shutil.copytree(models_dir / "tiny-cnn", models / "tiny-cnn")
    card = Card.read(models / "tiny-cnn" / "card.json")
    data = f"pictures (a folder of pictures: {how})"
    facts = {"images": 10, "epochs": 1.0, "hours": 0.1, "valid_nats": 40.0}
    card = replace(card, data=data, training={**facts, **training})
    card.keep(models / "tiny-cnn")
    mixed = ("mix", "both", "tiny-cnn", "--also", "flip_left_right")
    assert invoke(*mixed, "--models-dir", models).exit_code == 0

    words = ("--models-dir", models, "--data", folder, "--json")
    alone = last_json(invoke("evaluate", "tiny-cnn", *words))
    both = last_json(invoke("evaluate", "both", *words))
    assert both["images"] == alone["images"]
    members = both["member_nats"]
    assert isinstance(members, dict)
    assert members["none"] == pytest.approx(alone["nats"], rel=1e-6)


def test_the_card_says_how_but_not_where_the_data_lay(
    recipe_file: Path, stripes: Path, tmp_path: Path
) -> None:
    """A path is of nobody's machine but the trainer's; originals are where `data fetch` puts them."""
    changes = (
        "--set",
        f"data.path={stripes}",
        "--set",
        f"data.originals={stripes}/",
        "--set",
        "training.epochs=1",
    )
    last_json(
        invoke(
            "train",
            recipe_file,
            *changes,
            "--runs-dir",
            tmp_path,
            "--publish",
            tmp_path,
            "--json",
        )
    )
    command = load_model(tmp_path / "stripes").card.training["command"]
    changes = f"--set data.originals=data/{stripes.name} --set training.epochs=1"
    assert command == f"pixelrnn train configs/stripes.toml {changes}"


def test_the_same_seed_draws_the_same_picture(models_dir: Path, tmp_path: Path) -> None:
    """A drawn seed is told, and repeats the picture."""
    options = ("--models-dir", models_dir, "--n", 2, "--json")
    first = last_json(
        invoke("sample", "tiny-cnn", "--out", tmp_path / "a.png", *options)
    )
    invoke(
        "sample",
        "tiny-cnn",
        "--out",
        tmp_path / "b.png",
        "--seed",
        first["seed"],
        *options,
    )
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (2 * 5 + 1, 6)


def test_completion_keeps_what_the_mask_shows_black(
    models_dir: Path, tmp_path: Path
) -> None:
    """Given pixels come back untouched."""
    given = np.random.default_rng(0).integers(0, 2, (6, 5)).astype(np.uint8) * 255
    mask = np.zeros((6, 5), np.uint8)
    mask[3:] = 255
    Image.fromarray(given).save(tmp_path / "image.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    paths = (
        tmp_path / "image.png",
        tmp_path / "mask.png",
        "--out",
        tmp_path / "out.png",
    )
    last_json(
        invoke(
            "complete", "tiny-diagonal", *paths, "--models-dir", models_dir, "--json"
        )
    )
    with Image.open(tmp_path / "out.png") as picture:
        assert (np.asarray(picture)[:3] == given[:3]).all()


@pytest.mark.parametrize(
    "arguments",
    [
        ("sample", "nothing"),
        ("complete", "tiny-cnn", __file__, __file__),
        ("evaluate", "tiny-cnn", "--data", "nowhere"),
        ("train", "missing.toml"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_verb_refuses_in_one_sentence_when_the_input_is_bad(
    models_dir: Path, arguments: tuple[str, ...]
) -> None:
    """What a person got wrong is a PixelRNNError, which the root command prints in one line."""
    places = () if arguments[0] == "train" else ("--models-dir", models_dir)
    assert isinstance(invoke(*arguments, *places).exception, PixelRNNError)


@pytest.mark.parametrize("temperature", ["nan", "0", "-1", "inf"])
def test_a_temperature_is_refused_when_it_is_out_of_range(
    models_dir: Path, temperature: str
) -> None:
    """Typer's own refusal, with exit code 2."""
    result = invoke(
        "sample", "tiny-cnn", "--models-dir", models_dir, "--temperature", temperature
    )
    assert result.exit_code == 2


@pytest.mark.parametrize("processes", [1, 2])
def test_a_signal_saves_and_ends_the_run_cleanly(
    recipe_file: Path, tmp_path: Path, processes: int
) -> None:
    """SIGTERM to the first process: all end with 0, say how to go on, and the checkpoint is at the last update. Until
    then a second start of the run is refused."""
    runs = tmp_path / "runs"
    options = [
        "train",
        str(recipe_file),
        "--runs-dir",
        str(runs),
        "--json",
        "--processes",
        str(processes),
    ]
    options += [
        "--set",
        "training.epochs=100000",
        "--set",
        "output.checkpoint_every=1000000",
    ]
    out = tmp_path / "out"
    process = Forked(["pixelrnn", *options], os.environ, tmp_path / "log", out)
    _wait_for_lines(runs / "stripes" / "log.jsonl")
    second = invoke(*options)
    assert (second.exit_code, second.exception and str(second.exception)) == (
        1,
        f"another process trains in {runs / 'stripes'}: wait for it, or choose --name",
    )
    process.terminate()
    assert process.wait(60) == 0
    assert "--resume" in process.log.read_text()
    result = json.loads(out.read_text().splitlines()[-1])
    assert result["finished"] is False
    from model_core.training.checkpoint import read_checkpoint

    _, facts = read_checkpoint(runs / "stripes" / "last.safetensors")
    assert facts["state"]["iteration"] == result["iteration"] > 0


def _wait_for_lines(log: Path) -> None:
    deadline = time.monotonic() + 60
    while not (log.exists() and log.read_text()):
        assert time.monotonic() < deadline, "training did not start"
        time.sleep(0.05)


def test_load_model_finds_what_publish_wrote_when_named_by_path(
    models_dir: Path,
) -> None:
    """A path works wherever a name does."""
    assert (
        load_model(models_dir / "tiny-cnn").config
        == load_model("tiny-cnn", models_dir=models_dir).config
    )
