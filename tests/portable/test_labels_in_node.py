"""Labels in the engine in JavaScript: asked for, chosen by the noise, and read off a picture, as Python does."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from model_core import load_model, sample
from model_core.measures.likelihood import log_likelihood
from model_core.measures.picture_score import score_picture
from model_core.posterior.classify import classify
from model_core.posterior.completion import complete
from tests.client.by_command import ended
from tests.portable.exporting import Ask

LABELLED = (
    "tiny-labelled",
    "tiny-labelled-cnn-rgb",
    "tiny-labelled-row-rgb",
    "tiny-labelled-mixture",
)
ASKED = ["b", 2, "a"]


def test_images_of_labels_are_those_of_python(
    ask: Ask, exported: Path, portable_models_dir: Path
) -> None:
    """By name and by number, one of each; their number is that of the images."""
    options = {"label": ASKED}
    drawn = ask(
        "draw", folder=str(exported), models=LABELLED, seed="4", options=options
    )
    for name in LABELLED:
        names, values = drawn[name]["labels"], drawn[name]["values"]
        expected = sample(
            load_model(name, models_dir=portable_models_dir), 3, 4, label=ASKED
        )
        assert names == ["a", "b", "c"]
        assert np.array_equal(
            np.array(values).reshape(expected.shape), expected.numpy()
        )


@pytest.mark.parametrize("name", LABELLED)
def test_scores_are_those_of_python(
    ask: Ask, exported: Path, portable_models_dir: Path, name: str
) -> None:
    """Of all labels together, each by its prior, and given one."""
    model = load_model(name, models_dir=portable_models_dir)
    values = sample(model, 1, seed=1)
    labels = [None, "a", 1, "c"]
    folder = str(exported / "models" / name)
    found = ask("score", folder=folder, values=values.ravel().tolist(), labels=labels)
    for nats, label in zip(found, (None, "a", "b", "c"), strict=True):
        assert math.isclose(
            nats, -float(log_likelihood(model, values, label)), rel_tol=1e-5
        )


@pytest.mark.parametrize(
    "name", [*LABELLED, "tiny-cnn", "tiny-diagonal-rgb", "tiny-mixture"]
)
def test_costs_of_pixels_and_labels_are_those_of_python(
    ask: Ask, exported: Path, portable_models_dir: Path, name: str
) -> None:
    """In the order and with the label that find the picture likeliest; the labels by all orders together."""
    model = load_model(name, models_dir=portable_models_dir)
    (values,) = sample(model, 1, seed=1)
    given = {
        "folder": str(exported / "models" / name),
        "values": values.ravel().tolist(),
    }
    (bits,) = ask("surprise", **given)
    expected = score_picture(model, values.numpy()).bits.sum(0).ravel()
    assert np.allclose(bits, expected, rtol=1e-4, atol=1e-5)
    if name in LABELLED:
        labels = ask("classify", **given)
        told = classify(model, values)
        assert np.allclose(labels["p"], told.p[0], atol=1e-5)
        assert math.isclose(labels["nats"], told.total_nats[0], rel_tol=1e-5)


@pytest.mark.parametrize(
    ("name", "method"),
    [("tiny-labelled-mixture", "clamp"), ("tiny-labelled", "posterior")],
)
def test_completions_are_those_of_python(
    ask: Ask, exported: Path, portable_models_dir: Path, name: str, method: str
) -> None:
    """The label is drawn by how likely each is, given the pixels before the hole, which begins in the midst of a row.
    With clamp a pixel behind the hole's first is given, too."""
    model = load_model(name, models_dir=portable_models_dir)
    known = torch.from_numpy(np.random.default_rng(3).integers(0, 2, (1, 6, 5)))
    keep = torch.zeros(6, 5, dtype=torch.bool)
    keep[:2], keep[2, :3] = True, True
    keep[4, 1] = method == "clamp"
    options = {
        "known": known.ravel().tolist(),
        "keep": keep.ravel().tolist(),
        "method": method,
        "seed": 5,
        "n": 12,
    }
    calls = [options, {**options, "label": "b"}]
    found = ask("complete", folder=str(exported / "models" / name), calls=calls)
    for label, done in zip((None, "b"), found, strict=True):
        values = [image["values"] for image in done["images"]]
        expected = complete(model, known, keep, 12, seed=5, method=method, label=label)
        assert np.array_equal(
            np.array(values).reshape(12, 1, 6, 5), expected.values.numpy()
        )
        assert done["exact"] == expected.exact


def test_unknown_labels_are_refused_in_a_sentence(ask: Ask, exported: Path) -> None:
    """It says what there is."""
    assert ask("refusedLabels", folder=str(exported / "models" / "tiny-labelled")) == [
        "EngineError: tiny-labelled has no label seven: expected one of a, b, c",
        "EngineError: expected one label, or one for each of 2 images, not 1",
    ]


@pytest.mark.parametrize("labels", [["b"], ["b", "a", "c"], []], ids=str)
def test_pictures_of_labels_are_verified(
    ask: Ask,
    exported: Path,
    portable_models_dir: Path,
    tmp_path: Path,
    labels: list[str],
) -> None:
    """The PNG says the label of all, or those of each; none where the noise chose."""
    out = tmp_path / "drawn.png"
    asked = [word for label in labels for word in ("--label", label)]
    options = [
        *asked,
        "--n",
        "3",
        "--seed",
        "5",
        "--models-dir",
        portable_models_dir,
        "--out",
        out,
    ]
    done = ended("sample", "tiny-labelled", *options)
    assert done.returncode == 0, done.stderr
    folder = str(exported / "models" / "tiny-labelled")
    found = ask("verify", folder=folder, files=[list(out.read_bytes())])
    assert found == [[True, [], False]], labels


@pytest.mark.parametrize("name", ["tiny-labelled", "tiny-labelled-tiles"])
def test_costs_of_pixels_with_a_label_add_up_to_its_score(
    ask: Ask, exported: Path, portable_models_dir: Path, name: str
) -> None:
    """With the label that is asked for, not with the one that finds the picture likeliest."""
    values = sample(load_model(name, models_dir=portable_models_dir), 1, seed=1)
    folder = str(exported / "models" / name)
    given = {"values": values.ravel().tolist(), "labels": ["a", "b", "c"]}
    scores = ask("score", folder=folder, **given)
    assert len(set(scores)) == 3, "labels tell pictures apart"
    for bits, nats in zip(ask("surprise", folder=folder, **given), scores, strict=True):
        assert math.isclose(sum(bits) * math.log(2), nats, rel_tol=1e-6)
