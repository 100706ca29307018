"""What a person may get wrong, through the command itself: one line that says so, exit code 2, nothing begun."""

import hashlib
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import pixelrnn.cli
from model_core.training.device import training_device
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest, train

Run = Callable[..., str]


@pytest.fixture
def refusal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    """Run `pixelrnn` with these words in a directory of its own; returns the one line that it ends with."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> str:
        monkeypatch.setattr("sys.argv", ["pixelrnn", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            pixelrnn.cli.main()
        out, err = capsys.readouterr()
        assert (ended.value.code, out) == (2, "")
        (line,) = err.splitlines()
        return line.removeprefix("pixelrnn: ")

    return run


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("network.hiden=3", "unknown key 'network.hiden'"),
        ("network.channels=3 network.hidden=1", "hidden must be a whole number from 3"),
        ("network.channels=3 network.head=2", "head must be a whole number from 3"),
        ("network.factor=7", "factor must be a power of two, not 7"),
        ("network.factor=2", "multiples of factor 2, not 6 x 5"),
        ("network.factor=2 network.width=6", "conditioning must be"),
        ("training.learning_rate=inf", "training.learning_rate: "),
        ("training.learning_rate=nan", "training.learning_rate: "),
        ("training.device=gpu", "'gpu' is no device"),
        ("training.device=meta", "'meta' is no device"),
        (
            "training.precision=int8",
            "training.precision: input should be 'float32', 'bf16' or 'tf32'",
        ),
        (
            "data.orientation=upside_down",
            "data.orientation: input should be 'none', 'flip_left_right'",
        ),
        (
            "data.orientation=transpose",
            "exchanges rows and columns, and images of 5x6 are not square",
        ),
        ("training.batch=51", "more than the 50 training images"),
        ("training.start=nothing", "no model 'nothing'"),
        (
            "network.width=6",
            "images of 1x6x5 (colours x height x width), but the network takes 1x6x6",
        ),
    ],
)
def test_a_recipe_is_refused_before_a_run_begins(
    refusal: Run, recipe_file: Path, tmp_path: Path, change: str, words: str
) -> None:
    """Misspelt keys, sizes that cannot work, numbers that are none, devices that are not there."""
    assert words in refusal(
        "train", recipe_file, *(f"--set={one}" for one in change.split())
    )
    assert not (tmp_path / "runs" / "stripes").exists()


def test_bf16_is_refused_before_a_run_begins_on_a_processor_without(
    refusal: Run, recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command asks this very processor; here it is one that multiplies no bf16 numbers."""
    monkeypatch.setattr(
        "model_core.training.run.training_device",
        partial(training_device, cpu_has_bf16=False),
    )
    words = refusal("train", recipe_file, "--set=training.precision=bf16")
    assert "training.precision = bf16 needs a processor with AVX512-BF16" in words
    assert not (tmp_path / "runs" / "stripes").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--runs-dir", "file"], "cannot make the directory file/stripes"),
        (["--publish", "file/models"], "cannot make the directory file/models"),
        (
            ["--publish", "models", "--name", "My Model"],
            "'My Model' cannot be a model's name",
        ),
    ],
)
def test_a_place_is_refused_before_training(
    refusal: Run, recipe_file: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    """A directory that cannot be made, or a name that could not be served, is not found out after an epoch."""
    (tmp_path / "file").touch()
    assert words in refusal("train", recipe_file, *options)
    assert not list(tmp_path.rglob("*.safetensors"))


def card_with(**facts: object) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        card = json.loads((model / "card.json").read_text())
        config = {**card["config"], **facts.pop("config", {})}  # type: ignore[dict-item]
        (model / "card.json").write_text(
            json.dumps({**card, "config": config, **facts})
        )

    return change


def tensor_with(
    change: Callable[[torch.Tensor], torch.Tensor],
) -> Callable[[Path], None]:
    """Another first tensor, and a card whose digest agrees."""

    def rewrite(model: Path) -> None:
        tensors = load_file(model / "weights.safetensors")
        name = min(tensors)
        save_file(
            {**tensors, name: change(tensors[name])}, model / "weights.safetensors"
        )
        digest = hashlib.sha256(
            (model / "weights.safetensors").read_bytes()
        ).hexdigest()
        card_with(sha256=digest)(model)

    return rewrite


def card_is_a_directory(model: Path) -> None:
    (model / "card.json").unlink()
    (model / "card.json").mkdir()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (card_with(sha256="0" * 64), "its card says 000000000000..."),
        (card_with(sha256=3), "sha256 must be a string, not 3"),
        (card_with(training=[1]), "training must be an object"),
        (card_with(scores="good"), "scores must be an object"),
        (card_with(parameters="many"), "parameters must be a whole number"),
        (card_with(config={"hidden": 9}), "expected (18,)"),
        (card_with(config={"residual": "no"}), "residual must be true or false"),
        (card_is_a_directory, "Is a directory"),
        (tensor_with(lambda t: torch.full_like(t, float("nan"))), "not finite"),
        (tensor_with(lambda t: torch.zeros(1)), "expected ("),
        (tensor_with(lambda t: t.half()), "is torch.float16, not torch.float32"),
        (
            tensor_with(lambda t: t.to(torch.float8_e4m3fn)),
            "is torch.float8_e4m3fn, not torch.float32",
        ),
    ],
)
def test_a_model_is_refused_when_card_and_weights_disagree(
    refusal: Run,
    models_dir: Path,
    tmp_path: Path,
    damage: Callable[[Path], None],
    words: str,
) -> None:
    """Every damage of a card or of weights names the file."""
    shutil.copytree(models_dir / "tiny-cnn", tmp_path / "models" / "m")
    damage(tmp_path / "models" / "m")
    line = refusal("sample", "m", "--models-dir", tmp_path / "models")
    assert words in line
    assert "models/m/" in line


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        (["sample", "tiny-cnn", "--device", "gpu"], "'gpu' is no device"),
        (["sample", "tiny-cnn", "--device", "cuda:99"], "there is no cuda:99"),
        (["evaluate", "tiny-cnn", "--data", "empty.npy"], "expected images (N, H, W)"),
        (["models", "--models-dir", "nowhere"], "there is no directory nowhere"),
        (
            ["sample", "tiny-cnn", "--n", "1024", "--out", "file/s.png"],
            "cannot write file/s.png",
        ),
        (
            ["sample", "tiny-cnn", "--n", "1024", "--out", "folder"],
            "cannot write folder: expected a name that",
        ),
        (
            ["sample", "tiny-cnn", "--n", "1024", "--out", "nowhere/s.png"],
            "there is no folder nowhere",
        ),
        (
            ["encode", "tiny-cnn", "pictures", "--out", "nowhere/p.pxrn"],
            "there is no folder nowhere",
        ),
        (["decode", "file", "--out", "nowhere/pictures"], "there is no folder nowhere"),
        (
            ["models", "--models-dir", "folder"],
            "no models in folder: expected NAME/card.json there",
        ),
        (["evaluate", "tiny-cnn", "--data", "pictures"], "2 of 3 pictures in pictures"),
        (["calibrate", "tiny-cnn", "--data", "pictures"], "say --yes"),
        (["entropy", "tiny-cnn", "--data", "pictures"], "2 of 3 pictures in pictures"),
    ],
)
def test_a_verb_refuses_what_is_not_there(
    refusal: Run, models_dir: Path, tmp_path: Path, verb: list[str], words: str
) -> None:
    """Devices, images without pixels, places that cannot be written, and pictures that would be made others first."""
    for i, picture in enumerate(
        [np.zeros((6, 5)), np.zeros((7, 5)), np.full((6, 5), 99)]
    ):
        (tmp_path / "pictures").mkdir(exist_ok=True)
        Image.fromarray(picture.astype(np.uint8)).save(
            tmp_path / "pictures" / f"{i}.png"
        )
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "empty.npy", np.zeros((4, 0, 0), np.uint8))
    options = [] if "--models-dir" in verb else ["--models-dir", models_dir]
    assert words in refusal(*verb, *options)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("name", "place", "words"),
    [
        ("run", "file", "cannot make the directory file/run"),
        ("My Run", "models", "'My Run' cannot be a model's name"),
    ],
)
def test_publishing_is_refused_when_the_model_could_not_be_kept_or_found(
    refusal: Run,
    recipe_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    place: str,
    words: str,
) -> None:
    """A place that is no directory, and a run whose name no model can have."""
    (tmp_path / "file").touch()
    train(
        RunRequest(
            Recipe.load(recipe_file, ["training.epochs=1"]), tmp_path / "runs" / name
        )
    )
    capsys.readouterr()
    assert words in refusal("publish", tmp_path / "runs" / name, "--models-dir", place)
    assert not (tmp_path / "models").exists()
