"""Every option that changes pixels reaches every reader of the list: worker/contract/pixel_options.py."""

import io
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from PIL import Image

from app import openapi_file
from app.imaging.render import Canvas, grid_file
from app.routes.share import Recipe
from app.schema.answers import OPTION_FIELDS, Job
from model_core import load_model, shipped
from pixelrnn.drawings_here import _provenance, with_defaults
from tests.tiny_models import save_tiny_models
from worker.contract.jobs import VERSION, JobSpec
from worker.contract.kinds import KINDS
from worker.contract.options import FOUND, Options
from worker.contract.picture_file import origin_of
from worker.contract.pixel_options import pixel_options, type_of
from worker.contract.provenance import Provenance, ProvenanceError

PAGE = shipped.PAGE / "js"
DRAWING = {word: kind.options for word, kind in KINDS.items() if kind.draws}
CASES = [
    (word, name) for word, options in DRAWING.items() for name in pixel_options(options)
]
NO_PIXELS = {
    "complete": {
        "rank": "lists the same images in another order",
    },
}
"""Options of kinds that draw which change no pixel, and why."""


def value_of(options: type[Options], name: str) -> Any:
    """A value of an option that is not its default."""
    info = options.model_fields[name]
    choices = [
        choice
        for part in (info.annotation, *get_args(info.annotation))
        if get_origin(part) is Literal
        for choice in get_args(part)
    ]
    if choices:
        return choices[-1]
    if info.examples:
        return info.examples[-1]
    return {"flag": True, "integer": 3, "number": 0.5, "text": "a"}[
        type_of(options, name)
    ]


def spec_of(word: str, said: Mapping[str, Any]) -> JobSpec:
    options = {"method": "posterior", **said} if word == "complete" else said
    return JobSpec.model_validate(
        {
            "id": "a",
            "kind": word,
            "model": "tiny-cnn",
            "digest": "ab" * 32,
            "identity": "cd" * 32,
            "seed": 9,
            "n": 2,
            "temperature": 0.5,
            "height": 6,
            "width": 5,
            "channels": 1,
            "options": options,
        }
    )


def job_of(spec: JobSpec) -> dict[str, Any]:
    """The fields of its Job that say how it is drawn, and some that nobody may pass on."""
    own = OPTION_FIELDS | spec.options.job_fields()
    assert set(own) <= set(Job.model_fields)
    return {
        **json.loads(spec.model_dump_json(exclude={"options"})),
        **own,
        "first": spec.first,
        "created_at": "2026-01-01T00:00:00Z",
        "status": "succeeded",
        "key": "SECRET",
        "webhook": "https://SECRET.example",
        "idempotency_key": "SECRET",
    }


def text_of(spec: JobSpec) -> dict[str, str]:
    """The text of the sheet of its images."""
    pixels = {i: bytes(spec.height * spec.width) for i in range(spec.n)}
    own = [spec.options.origin_of(i) for i in range(spec.n)]
    canvas = Canvas(
        2,
        spec.height,
        spec.width,
        1,
        pixels,
        origin_of(spec, "cpu-compiled"),
        spec.first,
        own=own if any(own) else (),
    )
    with Image.open(io.BytesIO(grid_file(canvas, 1))) as image:
        return {
            str(key): value
            for key, value in image.info.items()
            if isinstance(value, str)
        }


def read_by_javascript(
    cases: list[tuple[dict[str, Any], dict[str, str]]],
) -> list[dict[str, Any]]:
    """Return what the page and the engine read of jobs and the texts of their pictures."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    question = {
        "page": str(PAGE),
        "engine": str(shipped.ENGINE),
        "cases": [{"job": job, "text": text} for job, text in cases],
    }
    done = subprocess.run(
        [node, str(Path(__file__).with_name("read_settings.mjs"))],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def read() -> list[dict[str, Any]]:
    """What the page and the engine read of each of CASES."""
    specs = [
        spec_of(word, {name: value_of(DRAWING[word], name)}) for word, name in CASES
    ]
    return read_by_javascript([(job_of(spec), text_of(spec)) for spec in specs])


def test_every_option_is_in_the_list_or_changes_no_pixel() -> None:
    """Who adds an option decides; options that the API finds are never in the list."""
    for word, options in DRAWING.items():
        every = options.model_fields.items()
        asked = {name for name, info in every if FOUND not in info.metadata}
        listed = set(pixel_options(options))
        assert listed <= asked
        assert asked - listed == set(NO_PIXELS.get(word, {}))


@pytest.mark.parametrize(("word", "name"), CASES)
def test_every_reader_has_every_option(
    read: list[dict[str, Any]], models: Path, word: str, name: str
) -> None:
    """The Job, the text in a picture, `verify`, the page's settings, links, history, a
    dropped picture, the engine, and the verb without a service."""
    options = DRAWING[word]
    value = value_of(options, name)
    spec = spec_of(word, {name: value})
    plural = f"{name}s" if isinstance(value, list) else name
    written = text_of(spec)
    as_text = {"first": ("sample", "3")}.get(
        name,
        (plural, json.dumps(value) if isinstance(value, bool | list) else str(value)),
    )

    assert job_of(spec)[name] == value
    assert written[as_text[0]] == as_text[1]
    if word == "sample":
        _check_verification(name, value, written)

    found = read[CASES.index((word, name))]
    for reader in ("settings", "followed", "remembered", "dropped"):
        assert found[reader].get(name) == value, reader
    if word == "sample":
        assert found["engine"][name] == value
    assert "SECRET" not in json.dumps(found)

    model = load_model("tiny-cnn", models_dir=models)
    said = {name: value} if name != "label" else {}
    given = with_defaults({"seed": 9, "n": 2, "method": "posterior", **said})
    here = _provenance(word, model, given)
    if name == "label":  # this model has none; `labels` of a verb are those of a job
        return
    assert here[as_text[0]] == as_text[1]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    save_tiny_models(directory)
    return directory


def _check_verification(name: str, value: Any, text: dict[str, str]) -> None:
    """What a picture says reaches the job that draws it again, and each image."""
    provenance = Provenance.of(text)
    if name == "first":
        assert provenance.sample == value
    elif name == "label":
        assert [provenance.label_of(i) for i in range(2)] == value
    else:
        assert provenance.options.drawing() == {name: value}
        assert name in pixel_options(KINDS["verify"].options)
    query = {"model": "m", "seed": 9, name: value}
    assert getattr(Recipe.model_validate(query), name) == value


def test_lists_for_javascript_are_those_of_the_contract() -> None:
    """`python -m app.openapi_file` writes them."""
    for path in openapi_file.OPTION_LISTS:
        assert path.read_text(encoding="utf-8") == openapi_file.option_list(), path


def test_picture_of_a_later_version_is_not_judged() -> None:
    """It may have been drawn with an option that is not known here. Pictures of 0.3 and
    before name no version."""
    text = text_of(spec_of("sample", {}))
    assert int(text["version"]) <= VERSION
    Provenance.of({name: text[name] for name in text if name != "version"})
    with pytest.raises(ProvenanceError, match="does not know, so a difference would"):
        Provenance.of({**text, "version": str(VERSION + 1), "mirrored": "true"})
    for nonsense in ("x", "-1", "8.0", "9" * 50):
        with pytest.raises(ProvenanceError, match="makes no sense: version"):
            Provenance.of({**text, "version": nonsense})


def test_picture_of_a_later_version_is_not_judged_in_javascript() -> None:
    """The page restores no settings of it, the engine cannot tell; and both read
    pictures that name no version."""
    spec = spec_of("sample", {})
    text = text_of(spec)
    later = {**text, "version": str(VERSION + 1)}
    earlier = {name: text[name] for name in text if name != "version"}
    found = read_by_javascript([(job_of(spec), later), (job_of(spec), earlier)])
    assert found[0]["dropped"] is None
    assert "options that this engine does not know" in found[0]["engine"]
    assert found[1]["dropped"]["seed"] == found[1]["settings"]["seed"]
    assert found[1]["engine"]["n"] == 2


def test_labels_that_do_not_fit_the_number_of_images_are_refused() -> None:
    """Else an image would have no label, or the wrong one."""
    text = text_of(spec_of("sample", {"label": ["7", "3"]}))
    assert [Provenance.of(text).label_of(i) for i in range(2)] == ["7", "3"]
    for count in ("1", "3"):
        with pytest.raises(ProvenanceError, match="makes no sense: labels"):
            Provenance.of({**text, "samples": count})
