"""Own pictures in folders, one a label: trained on, told about, scored, gone on with, and begun from by others."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from model_core.errors import ConfigError, DataError
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest, train
from pixelrnn.verbs import root

KINDS = ("apples", "bears", "cats")


@pytest.fixture
def kinds(tmp_path: Path) -> Path:
    """Ninety small pictures in three folders, each folder of a colour of its own, and one that only looks like one."""
    random = np.random.default_rng(0)
    for i in range(90):
        pixels = random.integers(0, 40, (5 if i == 80 else 4, 4, 3))
        pixels[..., i % 3] += 200
        path = tmp_path / "kinds" / KINDS[i % 3] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    (tmp_path / "kinds" / "bears" / "broken.png").write_bytes(b"nothing")
    return tmp_path / "kinds"


@pytest.fixture
def colours(kinds: Path, tmp_path: Path) -> Path:
    """A recipe of one epoch for a tiny colour network with three labels."""
    path = tmp_path / "kinds.toml"
    path.write_text(f"""
        [network]
        preset = "cifar10-pixelcnn"
        height = 4
        width = 4
        layers = 1
        hidden = 6
        head = 6
        labels = 3
        [data]
        path = "{kinds}"
        [training]
        epochs = 1
        batch = 8
        learning_rate = 1e-2
        [output]
        samples = 0
        tensorboard = false
    """)
    return path


def invoke(*words: object) -> Result:
    return CliRunner().invoke(root, [str(word) for word in words])


def test_a_labelled_colour_model_is_trained_and_scored_by_the_command(
    colours: Path, kinds: Path, tmp_path: Path
) -> None:
    """train says what it read and bits/dim beside nats; evaluate gives the score and how well labels are told."""
    models = "--models-dir", tmp_path / "models"
    trained = invoke(
        "train",
        colours,
        "--runs-dir",
        tmp_path / "runs",
        "--publish",
        tmp_path / "models",
    )
    assert trained.exit_code == 0, trained.output
    assert "training and " in trained.stderr
    assert "validation images: kinds (a folder of pictures" in trained.stderr
    said = (
        "90 of 91 files were read, 1 cannot be and are left out (bears/broken.png); "
        "they are 4x4 to 4x5, and 1 were cropped and resized"
    )
    assert said in trained.stderr
    assert trained.stderr.count("bits/dim") >= 3
    told = invoke("evaluate", "kinds", *models, "--data", kinds, "--yes")
    assert told.exit_code == 0, told.output
    assert " bits/dim, " in told.stderr
    assert "% wrong" in told.stderr
    score = json.loads(
        invoke("evaluate", "kinds", *models, "--data", kinds, "--yes", "--json").stdout
    )
    assert 0 <= score["label_errors"] <= 1
    assert "colour_bits" not in score or score["colour_bits"] == []


def test_a_run_is_not_resumed_when_its_labels_have_other_names(
    colours: Path, kinds: Path, tmp_path: Path
) -> None:
    """A renamed folder moves the labels behind it: both lists are said, and the checkpoint stays as it was."""
    request = RunRequest(Recipe.load(colours), tmp_path / "run")
    train(request)
    before = (request.directory / "last.safetensors").read_bytes()
    (kinds / "apples").rename(kinds / "zebras")
    longer = Recipe.load(colours, ["training.epochs=2"])
    said = r"started with labels = apples, bears, cats: it cannot go on with bears, cats, zebras"
    with pytest.raises(ConfigError, match=said):
        train(RunRequest(longer, request.directory, resume=True))
    assert (request.directory / "last.safetensors").read_bytes() == before
    (kinds / "zebras").rename(kinds / "apples")
    assert train(RunRequest(longer, request.directory, resume=True)).epochs == 2


def test_a_run_does_not_start_from_a_model_with_other_labels(
    colours: Path, kinds: Path, tmp_path: Path
) -> None:
    """The same number of labels is not enough; a model without labels may teach one that has some."""
    models = tmp_path / "models"
    train(RunRequest(Recipe.load(colours), tmp_path / "older", publish_to=models))
    (kinds / "apples").rename(kinds / "zebras")
    again = Recipe.load(colours, [f"training.start={models / 'older'}"])
    with pytest.raises(
        ConfigError,
        match=r"has the labels apples, bears, cats, the data has bears, cats, zebras",
    ):
        train(RunRequest(again, tmp_path / "newer"))
    assert not (tmp_path / "newer").exists()
    plain = Recipe.load(colours, ["network.labels=0"])
    train(RunRequest(plain, tmp_path / "plain", publish_to=models))
    taught = Recipe.load(colours, [f"training.start={models / 'plain'}"])
    assert train(RunRequest(taught, tmp_path / "taught")).finished


def test_a_run_ends_when_its_patience_does(
    colours: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """So many epochs in a row without a better one: it says so, has finished, and keeps the best."""
    still = [
        "training.epochs=50",
        "training.patience=2",
        "training.learning_rate=1e-30",
    ]
    result = train(RunRequest(Recipe.load(colours, still), tmp_path / "run"))
    assert (result.finished, result.best_epoch, result.epochs) == (True, 1, 3)
    assert "no better than epoch 1 after 2 more epochs" in capfd.readouterr().err
    again = train(
        RunRequest(Recipe.load(colours, still), tmp_path / "run", resume=True)
    )
    assert (again.finished, again.epochs) == (True, 3)
    endless = [*still, "training.patience=0", "training.epochs=5"]
    assert (
        train(
            RunRequest(Recipe.load(colours, endless), tmp_path / "run", resume=True)
        ).epochs
        == 5
    )


def test_too_few_pictures_are_told_how_many_there_should_be(
    colours: Path, kinds: Path, tmp_path: Path
) -> None:
    """Of two, there is none for training when each of the other splits has one."""
    for path in [*sorted(kinds.rglob("*.png"))[2:], kinds / "bears" / "broken.png"]:
        path.unlink(missing_ok=True)
    with pytest.raises(
        DataError,
        match=r"no picture for the train split .* which has 2: expected 3 different ones",
    ):
        train(RunRequest(Recipe.load(colours, ["network.labels=0"]), tmp_path / "run"))
