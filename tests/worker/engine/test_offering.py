"""Models for browsers: which come first, and what a wheel or an image brings."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from model_core import levels
from model_core.card import Validation
from model_core.models import untrained
from model_core.models_directory import CARD
from model_core.portable.laid_out import BUILT, NAMED, release
from tests.app.hand_worker import COLOUR, GREY, SCALES
from worker.contract.cards import FIRST
from worker.engine import offering


def test_models_are_laid_out_in_the_order_in_which_the_page_needs_them() -> None:
    """The one of the first view, then small pictures."""
    first = SCALES.model_copy(update={"name": FIRST})
    found = offering.in_page_order([COLOUR, GREY, first])
    assert [card.name for card in found] == [FIRST, "grey", "colour"]


def test_what_was_laid_out_ahead_of_time_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without another process, which only lays out what is missing then. A model that
    was calibrated since keeps its identity, but not its quantiles."""
    monkeypatch.setattr(levels, "FOLDER", tmp_path / "built")
    built = tmp_path / "built" / BUILT / release() / "models" / "known"
    built.mkdir(parents=True)
    (built / "portable.json").write_text('{"strange_nats":null}\n')
    card = untrained("mnist-pixelcnn", layers=1).card
    shared = tmp_path / "a"
    shared.mkdir()
    card.write(shared / CARD)
    asked = list[list[str]]()
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_: asked.append(command[-1:])
    )
    folder = tmp_path / "portable"
    offering.offer(folder, {shared: "known"}, (), 1)
    assert asked == []
    offering.offer(folder, {shared: "known", Path("/b"): "other"}, (), 1)
    assert asked == [["/b"]]
    place = folder / release()
    assert (folder / NAMED).read_text() == release()
    described = place / "models" / "known" / "portable.json"
    assert described.read_text() == '{"strange_nats":null}\n'
    validation = Validation(9, (8.0, 9.0))
    replace(card, validation=validation).write(shared / CARD)
    offering.offer(folder, {shared: "known"}, (), 1)
    assert json.loads(described.read_bytes()) == {"strange_nats": 8.99}
    assert [file.name for file in described.parent.iterdir()] == [CARD, described.name]
    assert (place / "engine" / "model.js").is_file()


def test_models_with_more_weights_than_the_setting_allows_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of guides count too; a model of exactly the limit is written."""
    monkeypatch.setattr(levels, "FOLDER", tmp_path / "built")
    sizes = {
        "fits/weights.safetensors": 2**20,
        "guided/weights.safetensors": 2**20,
        "guided/guides/guide.safetensors": 1,
    }
    for name, size in sizes.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(bytes(size))
    asked = list[list[str]]()
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_: asked.append(command[-1:])
    )
    models = {tmp_path / "guided": "1", tmp_path / "fits": "2"}
    offering.offer(tmp_path / "portable", models, (), 1)
    assert asked == [[str(tmp_path / "fits")]]
    offering.offer(tmp_path / "portable", models, (), 2)
    assert asked[1] == [str(tmp_path / "fits")]
