"""Writes several published networks as one model: their even mixture. measures/likelihood.py has its ln p, and
sampling/model_engine.py draws from it."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from model_core.card import Card, CardGuide, CardMember
from model_core.components import Member
from model_core.errors import ConfigError
from model_core.models import Model, load_model, save_model
from model_core.models_directory import GUIDES, WEIGHTS
from model_core.orientation import check_orientation

MIXED_WEIGHTS = "weights-{}.safetensors"


def mix(models: Sequence[Model], directory: Path) -> Card:
    """Write the even mixture of models to `directory`, whose name becomes the model's.

    A mixture among them gives its members, less those in an orientation for which there is a model of one network: so
    one member is replaced by a better one. Raises ConfigError unless the networks are then two or more, of one config
    and one data set, each in another orientation; ModelError when the directory cannot be made.
    """
    models = _ingredients(models)
    first = models[0].card
    _check(models)
    members = tuple(_card_member(model) for model in models)
    card = Card(
        first.name,
        first.config,
        sum(model.card.parameters for model in models),
        first.data,
        members=members,
        palette=first.palette,
        names=first.names,
        labels=first.labels,
    )
    return save_model(
        Model(tuple(model.members[0] for model in models), card), directory
    )


def turned(model: Model, orientations: Sequence[str]) -> list[Model]:
    """The same weights as models of images in these orientations: for data that has no direction, like floor plans.

    Their cards say which orientation the weights were trained in, and have no score. ModelError when the model is a
    mixture, ConfigError for an orientation that there is not.
    """
    origin = model.members[0].orientation
    training = {**model.card.training, "valid_nats": None, "turned_from": origin}
    card = replace(model.card, training=training, scores={}, members=(), guides=())
    config = model.config
    return [
        Model(
            (
                Member(
                    model.network, check_orientation(name, config.height, config.width)
                ),
            ),
            card,
            model.device,
        )
        for name in orientations
    ]


def guide(directory: Path, lender: Path, orientations: Sequence[str]) -> Card:
    """Let networks propose draws for holes of the model in `directory`, in place of its guides of before: those of
    these orientations in the mixture in `lender`, or the one network there, for images turned so.

    Raises ConfigError for an orientation that there is not, and a network that cannot be a guide; ModelError as
    load_model does.
    """
    card, theirs = load_model(directory).card, load_model(lender).card
    if card.palette != theirs.palette:
        raise ConfigError(
            f"{theirs.name} has another palette than {card.name}, whose holes it is to guide"
        )
    lent = {member.orientation: member for member in theirs.members}
    guides = list[CardGuide]()
    for name in orientations:
        orientation = check_orientation(name, card.config.height, card.config.width)
        if lent and name not in lent:
            raise ConfigError(
                f"{theirs.name} has no network for images turned {name}: there is {', '.join(lent)}"
            )
        member = lent.get(orientation) or CardMember(
            orientation, WEIGHTS, theirs.sha256
        )
        guides.append(
            CardGuide(member.sha256, orientation, theirs.config).checked(
                card.config, card.members
            )
        )
        if not guides[-1].is_one_of(card.members):
            (directory / GUIDES).mkdir(exist_ok=True)
            shutil.copyfile(lender / member.weights, directory / guides[-1].file)
    card = replace(card, guides=tuple(guides))
    card.keep(directory)
    return card


def _ingredients(models: Sequence[Model]) -> list[Model]:
    """Models of one network each, those of mixtures in their places."""
    taken = {
        model.members[0].orientation: model
        for model in models
        if len(model.members) == 1
    }
    found: list[Model] = []
    for model in models:
        if len(model.members) == 1:
            found.append(model)
            continue
        found += [
            member
            for member in model.alone()
            if member.members[0].orientation not in taken
        ]
    return found


def _check(models: Sequence[Model]) -> None:
    if len(models) < 2:
        raise ConfigError("a mixture needs at least two models")
    first = models[0].card
    taken: dict[str, str] = {}
    for model in models:
        card = model.card
        if card.config != first.config:
            raise ConfigError(
                f"{card.name} is another network than {first.name}: a mixture's members have one config"
            )
        if card.config.multi_scale:
            raise ConfigError(
                f"{card.name} is a Multi-Scale model: its small image is not the same once it is turned"
            )
        if card.palette != first.palette:
            raise ConfigError(f"{card.name} has another palette than {first.name}")
        if card.labels != first.labels:
            raise ConfigError(
                f"{card.name} has other labels than {first.name}, or other priors of them"
            )
        if card.data != first.data:
            raise ConfigError(
                f"{card.name} was trained on {card.data}, {first.name} on {first.data}"
            )
        orientation = model.members[0].orientation
        if orientation in taken:
            raise ConfigError(
                f"{card.name} and {taken[orientation]} both have the orientation {orientation}"
            )
        taken[orientation] = card.name


def _card_member(model: Model) -> CardMember:
    orientation, training = model.members[0].orientation, model.card.training
    scores = model.card.scores
    known = model.card.members[0].test_nats if model.card.members else None
    return CardMember(
        orientation=orientation,
        weights=MIXED_WEIGHTS.format(orientation),
        images=training.get("images", 0),
        valid_nats=training.get("valid_nats"),
        test_nats=scores.get("nats") if scores.get("split") == "test" else known,
        training=training,
    )
