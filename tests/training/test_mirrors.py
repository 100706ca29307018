"""Whether a trained network is published as a mixture with its mirror image."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from model_core import load_model, log_likelihood, sample, save_model
from model_core.card import Card
from model_core.models import Model
from model_core.models_directory import weights_in
from model_core.orientation import ORIENTATIONS, Orientation, turn
from model_core.training import mirrors
from model_core.training.mirrors import (
    MirrorTrial,
    best_of,
    keeps_exact,
    publish_mirrored,
    report,
)
from model_core.training.recipe import Recipe
from pixelrnn.verbs import root
from tests.posterior.tiny import awake

SIDE = 8
FLIP: Orientation = "flip_left_right"


def directional(height: int = SIDE) -> Model:
    """A network whose images look unlike their mirror images."""
    model = awake("mnist-row-lstm", seed=3, height=height, width=SIDE)
    for parameter in model.network.parameters():
        parameter.mul_(2)
    training = {"images": 10, "epochs": 1.0, "hours": 0.1, "valid_nats": 40.0}
    return Model(model.members, replace(model.card, training=training))


def images(model: Model, count: int, turned: Orientation = "none") -> np.ndarray:
    """Draw images (N, H, W) of 0 and 1; if turned, every other one is the one before it, turned."""
    drawn = sample(model, count, seed=1)[:, 0].numpy().astype(np.uint8)
    if turned != "none":
        drawn[1::2] = turn(drawn[: 2 * (count // 2) : 2], turned)
    return drawn


def recipe_of(place: Path, model: Model, valid: np.ndarray) -> Recipe:
    """Return a recipe with these validation images."""
    path = place / "images.npz"
    np.savez(path, train=valid, valid=valid, test=valid)
    network = {
        "preset": "mnist-row-lstm",
        "height": model.config.height,
        "width": SIDE,
        "layers": 2,
        "hidden": 6,
        "head": 6,
    }
    tree = {"network": network, "data": {"path": str(path)}, "training": {"epochs": 1}}
    return Recipe.from_tree(tree, (), "here")


def published(
    place: Path, model: Model, valid: np.ndarray, updates: int = mirrors.LEAST_UPDATES
) -> mirrors.Mirrors | None:
    save_model(model, place / "model")
    recipe = recipe_of(place, model, valid)
    return publish_mirrored(place / "model", recipe, place / "run", updates)


def test_of_symmetric_images_the_mixture_is_published(tmp_path: Path) -> None:
    """In place of the network, with the weights stored once; figures are those of the
    validation images."""
    model = directional()
    valid = images(model, 60, FLIP)
    found = published(tmp_path, model, valid)
    assert found is not None
    assert found.published == FLIP
    assert [trial.orientation for trial in found.trials] == [
        FLIP,
        "flip_top_bottom",
        "transpose",
        "transverse",
    ]

    mixture = load_model(tmp_path / "model")
    assert [each.orientation for each in mixture.members] == ["none", FLIP]
    assert len(weights_in(tmp_path / "model")) == 1
    values = torch.from_numpy(valid[:, None].astype(np.int64))
    alone = -log_likelihood(model, values).double()
    mixed = -log_likelihood(mixture, values).double()
    assert found.nats == pytest.approx(float(mixed.mean()), rel=1e-6)
    assert mixture.card.training["valid_nats"] == found.nats
    trial = found.trials[0]
    gains = (alone - mixed).numpy() / SIDE**2 / np.log(2)
    assert trial.gain == pytest.approx(gains.mean(), rel=1e-4)
    assert trial.gain_error == pytest.approx(
        gains.std(ddof=1) / len(gains) ** 0.5, rel=1e-4
    )
    assert trial.gain > 3 * trial.gain_error
    assert "the model is the mixture with flip_left_right" in report(found)
    assert [each["published"] for each in found.to_list()] == [True] + 3 * [False]
    kept = mixture.card.training["mirrors"]
    assert [each["orientation"] for each in kept] == [
        each.orientation for each in found.trials
    ]


def test_of_images_with_a_direction_the_network_is_published_alone(
    tmp_path: Path,
) -> None:
    """Not a byte of the model changes; the report has the figures."""
    model = directional()
    save_model(model, tmp_path / "model")
    before = (tmp_path / "model" / "card.json").read_bytes()
    found = published(tmp_path, model, images(model, 60))
    assert found is not None
    assert found.published is None
    assert all(trial.gain < 0 for trial in found.trials)
    assert (tmp_path / "model" / "card.json").read_bytes() == before
    assert report(found).endswith("the model is the network alone")
    values = torch.from_numpy(images(model, 60)[:, None].astype(np.int64))
    nats = -log_likelihood(model, values).double()
    assert found.nats == pytest.approx(float(nats.mean()), rel=1e-6)


def test_a_better_mixture_that_makes_completions_inexact_is_not_published(
    tmp_path: Path,
) -> None:
    """Images that are as likely upside down: the lower half would no longer be exact."""
    model = directional(height=7)
    found = published(tmp_path, model, images(model, 60, "flip_top_bottom"))
    assert found is not None
    assert [(each.orientation, each.keeps_exact) for each in found.trials] == [
        (FLIP, True),
        ("flip_top_bottom", False),
    ]
    assert found.trials[1].is_better
    assert found.published is None
    assert Card.read(tmp_path / "model" / "card.json").members == ()
    assert "would not complete lower rows exactly" in report(found)


def test_only_a_mirror_image_left_and_right_keeps_lower_rows_exact() -> None:
    """Among all orientations, of square images and others."""
    not_square: tuple[Orientation, ...] = (*ORIENTATIONS[:3], "rotate_180")
    for height, width, fitting in ((6, 6, ORIENTATIONS), (6, 5, not_square)):
        kept = [name for name in fitting if keeps_exact(name, height, width)]
        assert kept == ["none", FLIP]


@pytest.mark.parametrize(
    ("trials", "best"),
    [
        ([(FLIP, 1.97, 0.03, 0.01, 2.0, True)], FLIP),
        ([(FLIP, 1.97, 0.029, 0.01, 2.0, True)], None),
        ([(FLIP, 1.98, 0.011, 0.001, 1.991, True)], FLIP),
        ([(FLIP, 1.991, 0.009, 0.001, 2.0, True)], None),
        ([(FLIP, 1.9, 0.1, 0.01, 1.981, True)], FLIP),
        ([(FLIP, 1.9, 0.1, 0.01, 2.03, True)], None),
        ([(FLIP, 1.9, 0.1, 0.01, 2.0, False)], None),
        (
            [
                (FLIP, 1.9, 0.1, 0.01, 2.0, True),
                ("transpose", 1.8, 0.2, 0.01, 2.0, True),
                ("transverse", 1.7, 0.3, 0.01, 2.0, False),
            ],
            "transpose",
        ),
    ],
)
def test_the_best_is_clearly_better_and_of_symmetric_images(
    trials: list[tuple[Orientation, float, float, float, float, bool]],
    best: str | None,
) -> None:
    """By three standard errors and half a percent; it keeps completions exact."""
    found = best_of([MirrorTrial(*trial) for trial in trials])
    assert (found and found.orientation) == best


def test_few_images_and_other_models_are_left_alone(tmp_path: Path) -> None:
    """Fewer than ten images prove nothing; a mixture has been made already."""
    model = directional()
    assert published(tmp_path / "few", model, images(model, 9, FLIP)) is None
    assert published(tmp_path / "ten", model, images(model, 10, FLIP)) is not None
    enough = images(model, 60, FLIP)
    assert published(tmp_path, model, enough) is not None
    recipe = recipe_of(tmp_path, model, enough)
    again = tmp_path / "model", recipe, tmp_path / "run", mirrors.LEAST_UPDATES
    assert publish_mirrored(*again) is None
    assert published(tmp_path / "early", model, enough, 999) is None


@pytest.mark.parametrize("is_symmetric", [True, False])
def test_training_on_a_folder_tries_the_mirror_images(
    tmp_path: Path, is_symmetric: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pixelrnn train FOLDER` says what it tried, and publishes the mixture or the
    network. Training continues from the mixture's upright network."""
    monkeypatch.setattr(mirrors, "LEAST_UPDATES", 4)
    # Of the images that are held back, few have their mirror image beside them.
    monkeypatch.setattr(mirrors, "MOST_ASYMMETRY", 0.1)
    model = directional()
    for parameter in model.network.parameters():
        parameter.mul_(0.9)
    save_model(model, tmp_path / "start")
    folder = tmp_path / "pictures"
    folder.mkdir()
    drawn = images(directional(), 700, FLIP if is_symmetric else "none")
    for i, image in enumerate(drawn):
        Image.fromarray(image * 255).save(folder / f"{i}.png")
    changes = (
        f"training.start={tmp_path / 'start'}",
        "training.epochs=2",
        "training.epoch_updates=2",
        "training.learning_rate=1e-4",
        "output.samples=4",
    )

    def train(name: str, *more: str) -> tuple[dict, str]:
        words = [word for change in (*changes, *more) for word in ("--set", change)]
        places = ["--runs-dir", str(tmp_path / "runs")]
        places += ["--publish", str(tmp_path / "models"), "--name", name]
        command = ["train", str(folder), "--minutes", "1", *places, *words, "--json"]
        command.append("--publish-anyway")
        done = CliRunner().invoke(root, command)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout), done.stderr

    facts, told = train("first")
    tried = {each["orientation"]: each for each in facts["mirrors"]}
    assert tried[FLIP]["published"] is is_symmetric
    assert "mixed with its mirror image, bits/dim change by: flip_left_right" in told
    trained = load_model("first", models_dir=tmp_path / "models")
    expected = ["none", FLIP] if is_symmetric else ["none"]
    assert [each.orientation for each in trained.members] == expected
    assert trained.card.training["images"] > 0

    again = f"training.start={tmp_path / 'models' / 'first'}"
    more, _ = train("second", again)
    assert more["iteration"] == 4
