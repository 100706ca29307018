"""The verbs that carry out a kind of job are made of its record."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from model_core import Model, save_model, untrained
from model_core.cli.progress import working
from model_core.errors import DataError, PixelRNNError
from pixelrnn.client import Client, Job
from pixelrnn.kind_results import How, sentences
from pixelrnn.kind_verbs import register
from pixelrnn.kinds_there import _keep_found
from pixelrnn.remote_job import RemoteError
from pixelrnn.several import pictures_of, places
from pixelrnn.verbs import root
from tests.declared_kind import WEIGH
from tests.labelled_models import labelled
from worker.contract.kinds import KINDS


def run(app: typer.Typer, *words: object) -> Result:
    return CliRunner().invoke(
        app, [str(word) for word in words], env={"COLUMNS": "200"}
    )


def test_a_kind_that_is_declared_has_a_verb_with_its_options(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Below `remote` too; what nobody wrote for work here is asked of a service."""
    monkeypatch.setitem(KINDS, WEIGH.word, WEIGH)
    app, remote = typer.Typer(), typer.Typer(name="remote")
    register(app, remote)
    app.add_typer(remote)
    for words in (["weigh"], ["remote", "weigh"]):
        assert "--in-bits" in run(app, *words, "--help").output
    assert "expected --url" in run(app, "weigh", "m", "a.png").output


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ["--device", "cpu", "--url", "http://127.0.0.1:9"],
            "--device is for work here, without --url",
        ),
        (
            ["--models-dir", "x", "--url", "http://127.0.0.1:9"],
            "--models-dir is for work here, without --url",
        ),
        (["--priority", "bulk"], "--priority is for work by a service, with --url"),
        (["--retention", "60"], "--retention is for work by a service, with --url"),
        (["--first", "-1"], "--first"),
        (["--n", "0"], "--n"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(
    words: list[str], complaint: str, tmp_path: Path
) -> None:
    """Before anything is drawn."""
    refused = run(root, "sample", "m", "--out", tmp_path / "a.png", *words)
    assert refused.exit_code == 2
    assert complaint in refused.output.replace("\n", " ")


def test_minutes_of_a_recipe_are_refused() -> None:
    """A recipe states its epochs: it would train for hours."""
    refused = run(root, "train", "own-pictures", "--minutes", "2")
    assert refused.exit_code == 2
    assert "--minutes is for pictures" in refused.output


@pytest.mark.parametrize("verb", ["encode", "decode"])
def test_a_device_that_would_be_ignored_is_refused(verb: str, tmp_path: Path) -> None:
    """Processors alone write and read files of coded images; `cpu` may be named."""
    files = {"encode": ["m", "a.png"], "decode": ["a.pxrn"]}[verb]
    words = [verb, *files, "--out", tmp_path / "out", "--models-dir", tmp_path]
    refused = run(root, *words, "--device", "cuda:0")
    assert refused.exit_code == 2
    assert "--device" in refused.output
    named = run(root, *words, "--device", "cpu")
    assert isinstance(named.exception, PixelRNNError)


def test_help_says_what_is_usual() -> None:
    """Where a value is found and none is written: brackets are no markup there."""
    for verb, told in (
        ("classify", "pixels are missing]"),
        ("sample", "[default: drawn]"),
        ("train", "[pictures: my-models]"),
        ("train", "[default: 5]"),
    ):
        assert told in run(root, verb, "--help").output


def test_the_place_of_models_may_stand_in_the_environment_of_both(
    tmp_path: Path,
) -> None:
    """It is said for the work that is done here, and is no mistake where a service is asked."""
    words = [
        "sample",
        "m",
        "--url",
        "http://127.0.0.1:9",
        "--out",
        str(tmp_path / "a.png"),
    ]
    result = CliRunner().invoke(root, words, env={"PIXELRNN_MODELS_DIR": str(tmp_path)})
    assert "no service answers" in str(result.exception)


def classified(model: Model, folder: Path, *files: str) -> dict[str, Any]:
    """Return what `pixelrnn classify`, without a service, says of files in a folder."""
    save_model(model, folder / "models" / "m")
    words = ["classify", "m", *(folder / name for name in files), "--json"]
    result = run(root, *words, "--models-dir", folder / "models")
    return json.loads(result.stdout.splitlines()[-1])


def test_transparent_pixels_are_missing_without_a_mask(tmp_path: Path) -> None:
    """A picture with transparent lower rows is classified like one whose lower rows are
    hidden by a mask, and one without transparent pixels, or with a mask that hides
    none, as a whole picture."""
    grey = np.array([[255, 0, 255], [0, 255, 0], [255, 255, 0]], np.uint8)
    part = np.array([[255] * 3, [0] * 3, [127] * 3], np.uint8)
    whole = np.array([[255, 128, 255], [255] * 3, [255] * 3], np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(255 - part).save(tmp_path / "mask.png")
    Image.fromarray(np.dstack([grey, part])).save(tmp_path / "part.png")
    Image.fromarray(np.dstack([grey, whole])).save(tmp_path / "whole.png")
    model = labelled()

    of_whole = classified(model, tmp_path, "grey.png")
    of_part = classified(model, tmp_path, "grey.png", "mask.png")
    assert of_part != of_whole
    assert classified(model, tmp_path, "part.png") == of_part
    Image.new("L", (3, 3), "black").save(tmp_path / "black.png")
    assert classified(model, tmp_path, "grey.png", "black.png") == of_whole
    assert classified(model, tmp_path, "whole.png") == of_whole


@pytest.mark.parametrize(("hidden", "particles"), [(0, 8), (2, 0)])
def test_a_classification_says_how_many_particles_it_took(
    hidden: int, particles: int, tmp_path: Path
) -> None:
    """As the service does: none if no given pixel is behind the hidden row."""
    mask = np.zeros((3, 3), np.uint8)
    mask[hidden] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    Image.new("L", (3, 3), "white").save(tmp_path / "grey.png")
    save_model(labelled(), tmp_path / "models" / "m")
    words = ["classify", "m", tmp_path / "grey.png", tmp_path / "mask.png", "--json"]
    words += ["--models-dir", tmp_path / "models", "--particles", "8"]
    found = json.loads(run(root, *words).stdout.splitlines()[-1])
    assert (found["exact"], found["particles"]) == (particles == 0, particles)


def test_a_completion_names_the_label_as_the_service_does(tmp_path: Path) -> None:
    """And no label at all is refused with a list of what there is, however long it is."""
    mask = np.zeros((3, 3), np.uint8)
    mask[2] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    Image.new("L", (3, 3), "white").save(tmp_path / "grey.png")
    model = labelled()
    save_model(model, tmp_path / "models" / "m")
    place = ["--models-dir", tmp_path / "models"]
    words = ["complete", "m", tmp_path / "grey.png", tmp_path / "mask.png", "--json"]
    out = ["--out", tmp_path / "whole.png"]
    found = json.loads(run(root, *words, *out, *place).stdout.splitlines()[-1])
    names = [label.name for label in model.card.labels]
    assert found["posterior"]["label"] in names
    refused = run(
        root, "score", "m", tmp_path / "grey.png", "--label", "x" * 65, *place
    )
    assert f"there is {', '.join(names)}" in str(refused.exception)


def test_a_model_that_takes_whole_pictures_alone_sees_a_background(
    tmp_path: Path,
) -> None:
    """A Multi-Scale model knows the label of whole pictures alone: for it transparent
    pixels of a coloured picture are white, as for `score`."""
    size = {"height": 2, "width": 4, "factor": 2, "conditioning": 16}
    model = labelled("cifar10-row-lstm", **size)
    pixels = np.zeros((2, 4, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "transparent.png")
    Image.new("RGB", (4, 2), "white").save(tmp_path / "white.png")
    found = classified(model, tmp_path, "transparent.png")
    assert found == classified(model, tmp_path, "white.png")


def test_a_verb_says_each_completion_s_own_word_where_they_differ() -> None:
    """Else, and where a worker of an earlier version did it, the one word of all."""
    receipt = {"exact": False, "quality": "poor", "particles": 32, "apart_nats": 160.0}
    how = How(out=Path("a.png"))
    for qualities, told in (
        (("good", "poor"), "good, poor"),
        (("poor",) * 2, "poor"),
        (None, "poor"),
    ):
        facts = {"n": 2, "seed": 7, "posterior": {**receipt, "qualities": qualities}}
        assert list(sentences("complete", facts, how))[1].startswith(
            f"{told}: up to 32 particles"
        )


def test_no_two_pictures_of_a_folder_have_one_completion(tmp_path: Path) -> None:
    """A name that another picture's completion has is made longer."""
    folder = tmp_path / "in"
    (folder / "b").mkdir(parents=True)
    names = ["a.jpg", "a.jpg.png", "a.jpg.png.png", "b/c.PNG", "b/c.PNG.png", "d.png"]
    for name in names:
        (folder / name).touch()
    (folder / "d").touch()  # no picture
    out = tmp_path / "out"
    found = [places(out, folder, file, 1)[0] for file in pictures_of(folder)]
    assert [path.relative_to(out).as_posix() for path in found] == [
        "a.jpg.png",
        "a.jpg.png.png",
        "a.jpg.png.png.png",
        "b/c.PNG.png",
        "b/c.PNG.png.png",
        "d.png",
    ]
    of_two = [
        place for file in pictures_of(folder) for place in places(out, folder, file, 2)
    ]
    assert len(set(of_two)) == 2 * len(names)


def test_a_second_model_must_have_the_same_palette(tmp_path: Path) -> None:
    """The values of another palette are other colours, though there are as many."""
    size = {"layers": 1, "hidden": 4, "head": 4, "height": 3, "width": 3, "values": 3}
    for name, palette in (
        ("one", ("#ff0000", "#00ff00", "#0000ff")),
        ("two", ("#ffffff", "#ff0000", "#000000")),
    ):
        model = untrained("mnist-pixelcnn", seed=8, categories=True, **size)
        card = replace(model.card, palette=palette)
        save_model(Model(model.members, card), tmp_path / "models" / name)
    Image.new("RGB", (3, 3), "#ff0000").save(tmp_path / "red.png")
    words = ["score", "one", tmp_path / "red.png", "--against", "two"]
    result = run(root, *words, "--models-dir", tmp_path / "models")
    assert isinstance(result.exception, DataError)
    assert "two is a model of other pictures" in str(result.exception)


def test_a_map_of_several_pictures_in_one_file_is_refused(tmp_path: Path) -> None:
    """Only the service knows how many there are; nothing is written, and the command
    does not say that something was."""
    result = {"type": "scores", "images": [], "pictures": [{"nats": 1.0}] * 2}
    state: Any = {
        "id": "the-job",
        "kind": "score",
        "model": "m",
        "status": "succeeded",
        "seed": 0,
        "result": result,
    }
    how = How(url="http://127.0.0.1:9", out=tmp_path / "map.png")
    with Client(how.url or "") as client, working() as work:
        job: Job[Any] = Job(client, state)
        with pytest.raises(RemoteError, match="the file holds 2: job the-job has"):
            _keep_found(KINDS["score"], client, job, how, work)
        found = _keep_found(KINDS["score"], client, job, replace(how, out=None), work)
    assert [each["nats"] for each in found.facts["pictures"]] == [1.0, 1.0]
