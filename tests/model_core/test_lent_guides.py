"""A model's guides on its card and on disk: with the model or not at all."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model_core import load_model, save_model, untrained
from model_core.card import Card
from model_core.errors import ConfigError, ModelError
from model_core.mixing import guide, mix, turned_copies
from model_core.models_directory import weights_in
from model_core.sampling.stages import guide_bytes, slot_bytes
from worker.engine.kept import KeptWeights
from worker.engine.model_pool import ModelPool
from worker.engine.slot_plan import MIB, SlotPlan

SIZE = {"height": 6, "width": 6, "layers": 1, "hidden": 4, "head": 4}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`guided` by `lender`, a network of another kind that sees its images upside down."""
    save_model(untrained("mnist-pixelcnn", seed=1, **SIZE), tmp_path / "guided")
    save_model(untrained("mnist-row-lstm", seed=2, **SIZE), tmp_path / "lender")
    guide(tmp_path / "guided", tmp_path / "lender", ["flip_top_bottom"])
    return tmp_path


def test_a_guide_is_loaded_with_its_model(folder: Path) -> None:
    """Whatever becomes of its lender; the scores are the same, and the identity is another."""
    before = load_model("lender", models_dir=folder)
    shutil.rmtree(folder / "lender")
    model = load_model("guided", models_dir=folder)
    (lent,) = model.guides
    assert (lent.orientation, len(model.members)) == ("flip_top_bottom", 1)
    for one, other in zip(
        lent.network.parameters(), before.network.parameters(), strict=True
    ):
        assert torch.equal(one, other)
    plain = Card.read(folder / "guided" / "card.json")
    guide(folder / "guided", folder / "guided", [])
    unguided = load_model("guided", models_dir=folder).card
    assert (unguided.sha256, "guides" in unguided.to_dict()) == (plain.sha256, False)
    assert unguided.identity != plain.identity


def test_a_member_guides_without_a_file_of_its_own(folder: Path) -> None:
    """The same network in memory, whose weights are there once; one network may guide itself turned."""
    one = load_model("lender", models_dir=folder)
    mix([one, *turned_copies(one, ["rotate_180"])], folder / "both")
    guide(folder / "both", folder / "both", ["rotate_180"])
    model = load_model("both", models_dir=folder)
    assert model.guides == model.members[1:]
    assert guide_bytes(model) == 0
    assert not (folder / "both" / "guides").exists()
    guide(folder / "lender", folder / "lender", ["flip_left_right"])
    assert (
        load_model("lender", models_dir=folder).guides[0].orientation
        == "flip_left_right"
    )


def test_a_guided_model_is_saved_with_its_guides(folder: Path) -> None:
    """Elsewhere, as a whole: the identity is the same, and files of guides that are members are there once. Those of
    former guides go, and nothing that the card did not name."""
    one = load_model("lender", models_dir=folder)
    mix([one, *turned_copies(one, ["rotate_180"])], folder / "both")
    guide(folder / "both", folder / "both", ["rotate_180"])
    for name in ("guided", "both"):
        model = load_model(name, models_dir=folder)
        saved = save_model(model, folder / "copies" / name)
        again = load_model(folder / "copies" / name)
        assert (saved.identity, again.card.identity) == (
            model.card.identity,
            model.card.identity,
        )
        assert [each.orientation for each in again.guides] == [
            each.orientation for each in model.guides
        ]
        files = [
            sorted(path.name for path in (place / name).rglob("*"))
            for place in (folder, folder / "copies")
        ]
        assert files[0] == files[1]
    for place in ("guided", "copies/guided"):
        foreign = folder / place / "guides" / "notes.txt"
        foreign.write_text("")
        if place == "guided":
            guide(folder / place, folder / place, [])
        else:
            save_model(untrained("mnist-pixelcnn", seed=3, **SIZE), folder / place)
        assert list(foreign.parent.iterdir()) == [foreign]


def test_a_model_whose_guide_is_missing_or_another_is_refused(folder: Path) -> None:
    """By the name of the file; and by what a card says that no guide can be."""
    (file,) = (folder / "guided" / "guides").iterdir()
    content = file.read_bytes()
    file.unlink()
    with pytest.raises(ModelError, match=rf"cannot read .*guides/{file.name}"):
        load_model("guided", models_dir=folder)
    file.write_bytes(content[:-1] + b"?")
    with pytest.raises(ModelError, match="one of them was changed"):
        load_model("guided", models_dir=folder)
    path = folder / "guided" / "card.json"
    facts = json.loads(path.read_text())
    for change, words in (
        ({"sha256": "../../secret"}, "64 hexadecimal digits"),
        ({"orientation": "sideways"}, "unknown orientation"),
        ({"config": {**facts["config"], "width": 7}}, "the model's size"),
        ({"config": {**facts["config"], "labels": 2}}, "must have no labels"),
        ({"weight": 0.5}, "is not a model card"),
    ):
        path.write_text(
            json.dumps({**facts, "guides": [{**facts["guides"][0], **change}]})
        )
        with pytest.raises(ModelError, match=words):
            Card.read(path)


def test_what_cannot_guide_is_refused(folder: Path) -> None:
    """Before anything is written."""
    save_model(untrained("mnist-pixelcnn", **{**SIZE, "width": 5}), folder / "narrow")
    one = load_model("lender", models_dir=folder)
    mix([one, *turned_copies(one, ["rotate_180"])], folder / "both")
    tiles = untrained("mnist-pixelcnn", categories=True, values=3, **SIZE)
    for name, palette in (
        ("guided", ("#ff0000", "#00ff00", "#0000ff")),
        ("other", ("#00ff00", "#ff0000", "#0000ff")),
    ):
        save_model(
            replace(tiles, card=replace(tiles.card, palette=palette)),
            folder / "tiles" / name,
        )
    before = sorted(folder.rglob("*"))
    with pytest.raises(ConfigError, match="other has another palette than guided"):
        guide(
            folder / "tiles" / "guided", folder / "tiles" / "other", ["flip_top_bottom"]
        )
    assert sorted(folder.rglob("*")) == before
    for lender, orientation, words in (
        ("narrow", "flip_top_bottom", "the model's size"),
        (
            "both",
            "rotate_90",
            "both has no network for images turned rotate_90: there is none, rotate_180",
        ),
        ("lender", "sideways", "unknown orientation"),
    ):
        before = sorted(folder.rglob("*"))
        with pytest.raises(ConfigError, match=words):
            guide(folder / "guided", folder / lender, [orientation])
        assert sorted(folder.rglob("*")) == before


def test_a_worker_counts_and_keeps_guides(folder: Path) -> None:
    """Their memory among that of particles, their files among the model's weights."""
    model = load_model("guided", models_dir=folder)
    share = 1000 * slot_bytes(model)
    assert guide_bytes(model) > 0
    pool = ModelPool({"guided": model}, SlotPlan(1, 0, slot_memory_mib=share // MIB))
    each = (slot_bytes(model) + guide_bytes(model)) // 2
    assert pool.plans["guided"].particles == min(256, share // MIB * MIB // 4 // each)
    pool.warm_up("guided")
    kept = KeptWeights(folder / "kept")
    kept.keep("guided", model.card.identity, folder / "guided")
    place = kept.find("guided", model.card.identity)
    assert place is not None
    assert load_model(place).card == model.card
    assert [file.parent.name for file in weights_in(folder / "guided")] == [
        "guides",
        "guided",
    ]
