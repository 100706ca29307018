"""A card's identity is that of all that gives the model its meaning, and of nothing else."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from model_core.card import Card, CardGuide, CardLabel, CardMember, Validation
from model_core.config import NetworkConfig, preset

CONFIG = replace(preset("mnist-pixelcnn"), labels=2)
CARD = Card(
    "m",
    CONFIG,
    7,
    sha256="ab" * 32,
    labels=(CardLabel("cat", 0.25), CardLabel("dög", 0.75)),
)
CANONICAL = (
    '{"config":{"channels":1,"head":32,"height":28,"hidden":16,"labels":2,"layers":15,"network":"pixel-cnn",'
    '"values":2,"width":28},"labels":[{"name":"cat","prior":0.25},{"name":"d\\u00f6g","prior":0.75}],'
    f'"orientations":["none"],"sha256":"{"ab" * 32}"}}'
)
TRAINING = {"images": 1, "epochs": 1.0, "hours": 1.0}
GUIDE = CardGuide("cd" * 32, "flip_top_bottom", preset("mnist-row-lstm"))
MEMBERS = CardMember("none", "a"), CardMember("rotate_90", "b")


def test_identity_is_of_canonical_json() -> None:
    """Keys sorted, no spaces, the fields that have their defaults left out: anybody can compute it."""
    assert CARD.identity == hashlib.sha256(CANONICAL.encode()).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        replace(CARD, sha256="ac" * 32),
        replace(CARD, config=replace(CONFIG, residual=False)),
        replace(CARD, config=replace(CONFIG, values=3, categories=True)),
        replace(CARD, members=MEMBERS),
        replace(CARD, guides=(GUIDE,)),
        replace(CARD, labels=(CardLabel("bear", 0.25), CARD.labels[1])),
        replace(CARD, labels=(CardLabel("cat", 0.75), CardLabel("dög", 0.25))),
    ],
)
def test_what_means_something_else_is_another(other: Card) -> None:
    """Weights, config, orientations, guides, names and priors of labels."""
    assert other.identity != CARD.identity


def test_the_order_of_members_counts() -> None:
    """An image's noise chooses by number."""
    assert (
        replace(CARD, members=MEMBERS).identity
        != replace(CARD, members=MEMBERS[::-1]).identity
    )


@pytest.mark.parametrize(
    "same",
    [
        replace(CARD, name="n", parameters=8, data="other", training=TRAINING),
        replace(CARD, validation=Validation(9, (1.0, 2.0))),
    ],
)
def test_words_about_the_model_change_nothing(same: Card, tmp_path: Path) -> None:
    """Name, data, training, calibrated quantiles; nor does the way through a file."""
    same.write(tmp_path / "card.json")
    assert Card.read(tmp_path / "card.json").identity == same.identity == CARD.identity


@dataclass(frozen=True)
class LaterConfig(NetworkConfig):
    """A config with a field that no card in use has."""

    textures: bool = False


def test_a_field_that_comes_later_changes_no_identity_in_use() -> None:
    """Where it is not said; where it is, the model is another."""
    fields = {name: getattr(CONFIG, name) for name in CONFIG.__dataclass_fields__}
    assert replace(CARD, config=LaterConfig(**fields)).identity == CARD.identity
    assert (
        replace(CARD, config=LaterConfig(**fields, textures=True)).identity
        != CARD.identity
    )
