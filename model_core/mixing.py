"""Write several published networks as one model, their even mixture, and lend networks
to a model as guides.

measures/likelihood.py computes a mixture's ln p, and sampling/engine.py draws
from it.
"""

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
"""Name of a member's file of weights, with its orientation."""


def mix(models: Sequence[Model], directory: Path) -> Card:
    """Write the even mixture of `models` to `directory`, and return its card. The model
    takes the directory's name. A mixture among the models contributes its members,
    except those in an orientation for which `models` has a single network; so one
    member can be replaced by a better one.

    Raises ConfigError unless this gives at least two networks of one config, data set,
    palette and labels, each in another orientation; ModelError if the directory cannot
    be written.
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


def turned_copies(model: Model, orientations: Sequence[str]) -> list[Model]:
    """Return the model's weights as one model for each of these orientations of the
    images, for data without a direction, such as floor plans. The cards record in which
    orientation the weights were trained, and have no scores.

    model: of one network; ModelError for a mixture.
    orientations: such as `rotate_180`; ConfigError for an unknown one.
    """
    # The validation score holds for the orientation of the training alone.
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
    """Replace the guides of the model in `directory` by networks of the model in
    `lender`, and return the new card. Guides propose draws for the holes of
    completions. Weights are copied into the directory's guides/, unless they are a
    member's; those of the former guides are deleted.

    orientations: those members of the lender, if it is a mixture; otherwise its single
        network becomes one guide for each of these orientations.

    Raises ConfigError for an unknown orientation, another palette, or a network that
    cannot guide the model; ModelError like `load_model`.
    """
    card = load_model(directory).card
    lender_card = load_model(lender).card
    if card.palette != lender_card.palette:
        raise ConfigError(
            f"{lender_card.name} has another palette than {card.name}: a guide must "
            "have the palette of the model that it guides"
        )
    lenders = {member.orientation: member for member in lender_card.members}
    guides = list[CardGuide]()
    for name in orientations:
        orientation = check_orientation(name, card.config.height, card.config.width)
        if lenders and name not in lenders:
            raise ConfigError(
                f"{lender_card.name} has no network for images turned {name}: there is "
                f"{', '.join(lenders)}"
            )
        member = lenders.get(orientation) or CardMember(
            orientation, WEIGHTS, lender_card.sha256
        )
        new = CardGuide(member.sha256, orientation, lender_card.config)
        guides.append(new.require_fit(card.config, card.members))
        if not new.is_one_of(card.members):
            (directory / GUIDES).mkdir(exist_ok=True)
            shutil.copyfile(lender / member.weights, directory / new.file)
    guided = replace(card, guides=tuple(guides))
    guided.keep(directory)
    for name in card.files - guided.files:
        (directory / name).unlink(missing_ok=True)
    return guided


def _ingredients(models: Sequence[Model]) -> list[Model]:
    """Return models of one network each: the given ones, and the members of mixtures in
    the place of each mixture."""
    replacements = {
        model.members[0].orientation for model in models if len(model.members) == 1
    }
    found: list[Model] = []
    for model in models:
        if len(model.members) == 1:
            found.append(model)
            continue
        found += [
            member
            for member in model.member_models()
            if member.members[0].orientation not in replacements
        ]
    return found


def _check(models: Sequence[Model]) -> None:
    if len(models) < 2:
        raise ConfigError("a mixture needs at least two models")
    first = models[0].card
    owners: dict[str, str] = {}  # orientation -> the model that has it
    for model in models:
        card = model.card
        if card.config != first.config:
            raise ConfigError(
                f"{card.name} is another network than {first.name}: a mixture's "
                "members have one config"
            )
        if card.config.multi_scale:
            raise ConfigError(
                f"{card.name} is a Multi-Scale model: its small image is not the same "
                "once it is turned"
            )
        if card.palette != first.palette:
            raise ConfigError(f"{card.name} has another palette than {first.name}")
        if card.labels != first.labels:
            raise ConfigError(
                f"{card.name} has other labels than {first.name}, or other priors of "
                "them"
            )
        if card.data != first.data:
            raise ConfigError(
                f"{card.name} was trained on {card.data}, {first.name} on {first.data}"
            )
        orientation = model.members[0].orientation
        if orientation in owners:
            raise ConfigError(
                f"{card.name} and {owners[orientation]} both have the orientation "
                f"{orientation}"
            )
        owners[orientation] = card.name


def _card_member(model: Model) -> CardMember:
    orientation = model.members[0].orientation
    training = model.card.training
    scores = model.card.scores
    # The model of a mixture's member has no scores of its own, but its record has.
    known = model.card.members[0].test_nats if model.card.members else None
    return CardMember(
        orientation=orientation,
        weights=MIXED_WEIGHTS.format(orientation),
        images=training.get("images", 0),
        valid_nats=training.get("valid_nats"),
        test_nats=scores.get("nats") if scores.get("split") == "test" else known,
        training=training,
    )
