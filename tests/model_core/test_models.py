"""Models on disk: what is saved comes back, what is damaged is refused in words."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from model_core import load_model, model_names, save_model, untrained
from model_core.config import NetworkConfig
from model_core.errors import ConfigError, ModelError
from model_core.models import load_by_digest


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A models directory with one model, `tiny`."""
    save_model(
        untrained(
            "mnist-diagonal-bilstm", layers=1, hidden=3, head=3, height=4, width=3
        ),
        tmp_path / "tiny",
    )
    return tmp_path


def test_a_saved_model_comes_back_the_same(saved: Path) -> None:
    """By name and by path: same config, same logits, a digest, and the count of what is learned."""
    values = torch.randint(0, 2, (2, 1, 4, 3))
    original = untrained(
        "mnist-diagonal-bilstm", layers=1, hidden=3, head=3, height=4, width=3
    )
    for loaded in (
        load_model("tiny", models_dir=saved),
        load_model("tiny", models_dir=str(saved)),
        load_model(saved / "tiny"),
    ):
        assert loaded.config == original.config
        assert torch.equal(loaded.network(values), original.network(values))
        assert len(loaded.card.sha256) == 64
        assert loaded.card.name == "tiny"
    assert model_names(saved) == ["tiny"]


def test_an_unknown_model_is_refused_with_the_names_there_are(saved: Path) -> None:
    """The error helps: it lists what could have been meant; a name is never a path."""
    for name in ("tinny", "../tiny", "", "..", "TINY"):
        with pytest.raises(ModelError):
            load_model(name, models_dir=saved)
    with pytest.raises(ModelError, match="there is tiny"):
        load_model("tinny", models_dir=saved)


def test_weights_that_are_no_longer_served_are_found_by_their_digest(
    saved: Path,
) -> None:
    """Pictures and files that they wrote name it: those in a folder `records` count as well."""
    (saved / "records").mkdir()
    (saved / "tiny").rename(saved / "records" / "tiny")
    retired = load_model("tiny", models_dir=saved)
    assert model_names(saved) == []
    assert load_by_digest(retired.card.sha256, saved).card.name == "tiny"
    with pytest.raises(ModelError, match=r"no model in .* has the sha256"):
        load_by_digest("0" * 64, saved)


def _truncate(model: Path) -> None:
    weights = model / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])


def _flip_a_bit(model: Path) -> None:
    weights = model / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))


def _rewrite(model: Path, change: str) -> None:
    """Change the tensors and make the card's digest agree, as someone who builds a model by hand would."""
    import hashlib

    tensors = load_file(model / "weights.safetensors")
    name = sorted(tensors)[0]
    match change:
        case "nan":
            tensors[name] = torch.full_like(tensors[name], float("nan"))
        case "missing":
            del tensors[name]
        case "shape":
            tensors[name] = torch.zeros(1)
    save_file(tensors, model / "weights.safetensors")
    card = json.loads((model / "card.json").read_text())
    card["sha256"] = hashlib.sha256(
        (model / "weights.safetensors").read_bytes()
    ).hexdigest()
    (model / "card.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_truncate, "sha256|safetensors"),
        (_flip_a_bit, "sha256"),
        (lambda m: _rewrite(m, "nan"), "not finite"),
        (lambda m: _rewrite(m, "missing"), "is missing"),
        (lambda m: _rewrite(m, "shape"), r"expected \("),
        (lambda m: (m / "card.json").write_text("{"), "not a model card"),
        (
            lambda m: (m / "card.json").write_text('{"name": "tiny"}'),
            "not a model card",
        ),
        (lambda m: (m / "card.json").unlink(), "no model|no card"),
        (lambda m: (m / "weights.safetensors").unlink(), "cannot read"),
    ],
)
def test_a_damaged_model_is_refused(saved: Path, damage, words: str) -> None:  # type: ignore[no-untyped-def]
    """Every kind of damage is a ModelError that names the file and the reason."""
    damage(saved / "tiny")
    with pytest.raises(ModelError, match=words):
        load_model(saved / "tiny")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["card.json", "weights.safetensors"])
def test_what_has_no_end_is_no_file_of_a_model(saved: Path, name: str) -> None:
    """A pipe that nobody writes to, or a device, is refused at once and not waited for."""
    file = saved / "tiny" / name
    file.unlink()
    for put in (os.mkfifo, lambda place: place.symlink_to("/dev/zero")):
        put(file)
        with pytest.raises(ModelError, match="it is not a regular file"):
            load_model(saved / "tiny")
        file.unlink()


def test_card_of_more_than_a_mebibyte_is_refused(saved: Path) -> None:
    """No more of it is read, however long it is."""
    os.truncate(saved / "tiny" / "card.json", 20 * 2**30)
    with pytest.raises(ModelError, match="it has more than 1048576 bytes"):
        load_model(saved / "tiny")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"network": "transformer"}, "unknown network"),
        ({"channels": 2}, "1 .grey. or 3"),
        ({"values": 1}, "values must be"),
        ({"values": 257}, "values must be"),
        ({"height": 0}, "height must be"),
        ({"hidden": 2, "channels": 3}, "hidden must be"),
        ({"layers": 2.5}, "layers must be"),
        ({"deep": 3}, "unknown network field"),
    ],
)
def test_an_impossible_network_is_refused(
    fields: dict[str, object], words: str
) -> None:
    """A misspelt or impossible field fails when it is read, not after a night of training."""
    good = {
        "network": "pixel-cnn",
        "height": 4,
        "width": 4,
        "channels": 1,
        "values": 2,
        "layers": 1,
    }
    with pytest.raises(ConfigError, match=words):
        NetworkConfig.from_dict({**good, "hidden": 4, "head": 4, **fields})


def test_an_incomplete_network_is_refused() -> None:
    """Missing fields are named."""
    with pytest.raises(ConfigError, match="height"):
        NetworkConfig.from_dict({"network": "pixel-cnn"})
