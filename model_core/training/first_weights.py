"""Training on from the weights of a model that exists, instead of random ones."""

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model_core import shipped
from model_core.card import Card
from model_core.data.labels import Labels
from model_core.errors import ConfigError
from model_core.layers.groups import colour_of
from model_core.layers.lstm import GATES
from model_core.models import Model, load_model
from model_core.models_directory import default_models_dir, model_names
from model_core.networks import Network
from model_core.orientation import Orientation
from model_core.training.recipe import Recipe
from model_core.training.state import Sitting, Start


def starting_model(recipe: Recipe) -> Model | None:
    """The model that training.start names, by its name in the models directory or by the path of its own, if any.

    Of a mixture it is the network that was trained in the recipe's orientation; it may lack the labels of the recipe's
    network. Raises ModelError when there is none or it is damaged, ConfigError when its network or its orientation is
    not the recipe's.
    """
    name_or_path, config = recipe.training.start, recipe.network.config()
    if not name_or_path:
        return None
    model = named_model(name_or_path)
    if len(model.members) != 1:
        model = _member_of(model, recipe.data.orientation, name_or_path)
    free = (
        set() if config.multi_scale else {"height", "width"}
    )  # no weight depends on them
    grows = (
        set()
        if config.multi_scale or not config.residual
        else {"layers", "hidden", "head"}
    )
    for field in fields(config):
        theirs, ours = getattr(model.config, field.name), getattr(config, field.name)
        is_more = (field.name in grows and theirs < ours) or (
            field.name == "labels" and theirs == 0
        )
        if theirs != ours and field.name not in free and not is_more:
            raise ConfigError(
                f"training.start = {name_or_path} is of another network: "
                f"its {field.name} is {theirs}, the recipe's network.{field.name} is "
                f"{ours}; --set training.start= "
                "begins with random weights"
            )
    theirs = model.members[0].orientation
    if theirs != recipe.data.orientation and not recipe.training.start_turned:
        raise ConfigError(
            f"training.start = {name_or_path} was trained on images turned by "
            f"{theirs!r}, the recipe's "
            f"data.orientation is {recipe.data.orientation!r}; training.start_turned "
            "= true begins with it all the same"
        )
    return model


def expect_labels_of(start: Model, labels: Labels | None, name: str) -> None:
    """ConfigError where a starting model has labels of other names, or in another order, than the images: its weights
    would say of one what they have learned of another."""
    theirs, ours = (
        [label.name for label in start.card.labels],
        list(labels.names if labels else ()),
    )
    if theirs and theirs != ours:
        raise ConfigError(
            f"training.start = {name} has the labels {', '.join(theirs)}, the data "
            f"has {', '.join(ours)}: expected the "
            "same names in the same order"
        )


@torch.no_grad()
def begin_with(network: Network, start: Network) -> None:
    """Give a network the weights of another one, so that it says what that one says.

    It may have more features or layers, or labels where the other has none. New weights are random, but those are zero
    by which anything old reads something new: old features new ones, the stream a new layer, a layer the label.
    """
    weights, theirs = network.state_dict(), start.state_dict()
    has_gates = any(name.endswith("state_to_state") for name in weights)
    for name, weight in weights.items():
        is_told = ".condition." in name
        if name in theirs:
            is_of_gates = "_to_state" in name or (has_gates and is_told)
            _embed(
                weight,
                theirs[name],
                GATES if is_of_gates else 1,
                network.config.channels,
            )
        elif is_told or ".layer." not in name:
            weight.zero_()


def _embed(weight: Tensor, theirs: Tensor, parts: int, colours: int) -> None:
    """Write a weight (outputs, inputs, ...), (outputs,) or (taps, outputs, inputs) into one at least as large, whose
    outputs of the same features then read no others."""
    outputs = 1 if weight.ndim == 3 else 0
    parts_of = [parts if axis == outputs else 1 for axis in range(weight.ndim)]
    places = [
        _places(*sizes, colours)
        for sizes in zip(theirs.shape, weight.shape, parts_of, strict=True)
    ]
    weight.index_fill_(outputs, places[outputs], 0.0)
    weight[torch.meshgrid(places, indexing="ij")] = theirs


def _places(few: int, many: int, parts: int, colours: int) -> Tensor:
    """Find each of `few` features among `many`: first in the group of its colour, in each of `parts` maps."""
    if few == many:
        return torch.arange(few)
    ours, theirs = colour_of(many // parts, colours), colour_of(few // parts, colours)
    place = (
        torch.arange(len(theirs))
        - torch.searchsorted(theirs, theirs)
        + torch.searchsorted(ours, theirs)
    )
    return torch.cat([place + part * len(ours) for part in range(parts)])


def named_model(name_or_path: str) -> Model:
    """The model that training.start names; ModelError when there is none or it is damaged."""
    if os.sep in name_or_path:
        return load_model(Path(name_or_path).expanduser())
    is_shipped = name_or_path in model_names(
        shipped.MODELS
    ) and name_or_path not in model_names(default_models_dir())
    return load_model(name_or_path, models_dir=shipped.MODELS if is_shipped else None)


def _member_of(mixture: Model, orientation: Orientation, name: str) -> Model:
    turned = {model.members[0].orientation: model for model in mixture.member_models()}
    if orientation not in turned:
        raise ConfigError(
            f"training.start = {name} is a mixture of networks in the orientations "
            f"{', '.join(turned)}: "
            f"expected one in {orientation!r}, the recipe's data.orientation"
        )
    return turned[orientation]


def origin_of(name_or_path: str, model: Model) -> Start:
    """A run's record of the model that it began with, by the name in its recipe."""
    history = model.card.training.get("history")
    sittings = [Sitting(**sitting) for sitting in history or _whole(model.card)]
    return Start(name_or_path, model.card.sha256, sittings, model.config.labels)


def _whole(card: Card) -> list[dict[str, Any]]:
    """The history of a card that was written before cards had one: all of it as one sitting."""
    if not card.training:
        return []
    facts = {"command": "", "hardware": "", "drawn_anew": False, **card.training}
    return [{field.name: facts[field.name] for field in fields(Sitting)}]
