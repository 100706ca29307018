"""Begin a training with the weights of an existing model instead of random ones, or
with all that a run's last checkpoint holds."""

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model_core import shipped
from model_core.data.labels import Labels
from model_core.errors import ConfigError, ModelError
from model_core.layers.groups import colour_of
from model_core.layers.lstm import GATES
from model_core.models import Model, load_model
from model_core.models_directory import RECORDS, default_models_dir, model_names
from model_core.networks import Network
from model_core.orientation import Orientation
from model_core.training.checkpoint import read_checkpoint, read_facts
from model_core.training.publish import model_from_checkpoint
from model_core.training.recipe import Recipe
from model_core.training.state import Sitting, Start, TrainState
from model_core.training.step import Learner


def starting_model(recipe: Recipe) -> Model | None:
    """Return the model that training.start names, by its name in the models directory
    or among the shipped models, or by its path; None if it is empty.

    Of a mixture it is the network that was trained in the recipe's orientation. The
    model may be smaller than the recipe's network, or lack its labels (see
    `begin_with`).

    Raises ModelError if there is no such model or it is damaged; ConfigError if its
    network or orientation does not fit the recipe, or if the recipe's network is
    invalid.
    """
    name_or_path = recipe.training.start
    config = recipe.network.config()
    if not name_or_path:
        return None
    model = named_model(name_or_path)
    if len(model.members) != 1:
        model = _member_of(model, recipe.data.orientation, name_or_path)

    # No weight of a network of one scale depends on the size of the images.
    free = set() if config.multi_scale else {"height", "width"}
    # New layers and features can only be added without an effect on the output if
    # there are residual connections.
    can_grow = not config.multi_scale and config.residual
    grows = {"layers", "hidden", "head"} if can_grow else set()
    for field in fields(config):
        theirs = getattr(model.config, field.name)
        ours = getattr(config, field.name)
        grown = field.name in grows and theirs < ours
        gets_labels = field.name == "labels" and theirs == 0
        fits = theirs == ours or grown or gets_labels
        if not fits and field.name not in free:
            raise ConfigError(
                f"training.start = {name_or_path} is of another network: its "
                f"{field.name} is {theirs}, the recipe's network.{field.name} is "
                f"{ours}; --set training.start= begins with random weights"
            )
    theirs = model.members[0].orientation
    if theirs != recipe.data.orientation and not recipe.training.start_turned:
        raise ConfigError(
            f"training.start = {name_or_path} was trained on images turned by "
            f"{theirs!r}, the recipe's data.orientation is "
            f"{recipe.data.orientation!r}; training.start_turned = true begins with it "
            "all the same"
        )
    return model


def expect_labels_of(start: Model, labels: Labels | None, name: str) -> None:
    """Raise ConfigError if a starting model has labels with other names than the
    images, or in another order: its weights would apply to one label what they have
    learned of another. A model without labels is accepted.

    labels: those of the images.
    name: the starting model's, for the message.
    """
    theirs = [label.name for label in start.card.labels]
    ours = list(labels.names if labels else ())
    if theirs and theirs != ours:
        raise ConfigError(
            f"training.start = {name} has the labels {', '.join(theirs)}, the data "
            f"has {', '.join(ours)}: expected the same names in the same order"
        )


@torch.no_grad()
def begin_with(network: Network, start: Network) -> None:
    """Copy the weights of the network `start` into `network`, in place, so that the
    outputs of both are the same.

    `network` may have more features or layers, or labels that `start` does not have;
    `starting_model` checks that. New weights keep their random values, except those
    through which an old part would read a new one (old features new features, the
    residual stream a new layer, a layer the label): these become zero.
    """
    weights = network.state_dict()
    theirs = start.state_dict()
    is_recurrent = any(name.endswith("state_to_state") for name in weights)
    for name, weight in weights.items():
        is_condition = ".condition." in name
        if name in theirs:
            is_of_gates = "_to_state" in name or (is_recurrent and is_condition)
            parts = GATES if is_of_gates else 1
            _embed(weight, theirs[name], parts, network.config.channels)
        elif is_condition or ".layer." not in name:
            weight.zero_()


def _embed(weight: Tensor, theirs: Tensor, parts: int, colours: int) -> None:
    """Write a weight (outputs, inputs, ...), (outputs,) or (taps, outputs, inputs) into
    one at least as large. The old outputs then read no new inputs.

    parts: number of maps, such as gates, that the outputs consist of.
    colours: of the image.
    """
    outputs = 1 if weight.ndim == 3 else 0
    parts_of = [parts if axis == outputs else 1 for axis in range(weight.ndim)]
    places = [
        _places(*sizes, colours)
        for sizes in zip(theirs.shape, weight.shape, parts_of, strict=True)
    ]
    weight.index_fill_(outputs, places[outputs], 0.0)
    weight[torch.meshgrid(places, indexing="ij")] = theirs


def _places(few: int, many: int, parts: int, colours: int) -> Tensor:
    """Return the index of each of `few` features among `many`: the first ones in the
    group of their colour, in each of `parts` maps."""
    if few == many:
        return torch.arange(few)
    ours = colour_of(many // parts, colours)
    theirs = colour_of(few // parts, colours)
    index_in_group = torch.arange(len(theirs)) - torch.searchsorted(theirs, theirs)
    place = torch.searchsorted(ours, theirs) + index_in_group
    return torch.cat([place + part * len(ours) for part in range(parts)])


def named_model(name_or_path: str) -> Model:
    """Return the model that training.start names: that of a run's last checkpoint; from
    a path if the name contains a separator; else from the models directory or the
    shipped models, or the records of either. Raises ModelError if there is none or it
    is damaged."""
    if is_run(name_or_path):
        return model_from_checkpoint(_checkpoint_of(name_or_path))
    if os.sep in name_or_path:
        return load_model(Path(name_or_path).expanduser())
    for directory in (default_models_dir(), shipped.MODELS):
        names = [*model_names(directory), *model_names(directory / RECORDS)]
        if name_or_path in names:
            return load_model(name_or_path, models_dir=directory)
    return load_model(name_or_path)


def is_run(start: str) -> bool:
    """Return True if training.start is the directory of a run, whose last checkpoint
    also has the optimiser's state."""
    return os.sep in start and _checkpoint_of(start).is_file()


def _checkpoint_of(run: str) -> Path:
    return Path(run).expanduser() / "last.safetensors"


def restore_from_run(run: str, learner: Learner) -> None:
    """Copy the weights, their average and the optimiser's state of a run's last
    checkpoint into a learner. Raises ModelError if they do not fit it.

    run: the run's directory.
    """
    path = _checkpoint_of(run)
    tensors, _ = read_checkpoint(path)
    try:
        learner.restore(tensors)
    except (KeyError, RuntimeError) as error:
        raise ModelError(
            f"training.start = {run}: {path} has the optimiser's state of another "
            f"network or rule ({error}); publish the run and name the model to begin "
            "with its weights alone"
        ) from None


def _member_of(mixture: Model, orientation: Orientation, name: str) -> Model:
    """Return the network of a mixture that was trained in this orientation. Raise
    ConfigError if there is none.

    name: the mixture's, for the message.
    """
    by_orientation = {
        model.members[0].orientation: model for model in mixture.member_models()
    }
    if orientation not in by_orientation:
        raise ConfigError(
            f"training.start = {name} is a mixture of networks in the orientations "
            f"{', '.join(by_orientation)}: expected one in {orientation!r}, the "
            "recipe's data.orientation"
        )
    return by_orientation[orientation]


def origin_of(name_or_path: str, model: Model) -> Start:
    """Return the record (model, hash, history) that a run keeps of the model with whose
    weights it begins.

    name_or_path: training.start of its recipe.
    model: that model.
    """
    training = model.card.training
    # A card that was written before cards had a history: one sitting, if it was trained.
    history = training.get("history") or ([training] if training else [])
    sittings = [_sitting(facts) for facts in history]
    updates = 0
    if is_run(name_or_path):
        facts = read_facts(_checkpoint_of(name_or_path))
        updates = TrainState.from_dict(facts["state"]).age
    return Start(
        name_or_path, model.card.sha256, sittings, model.config.labels, updates
    )


def _sitting(facts: dict[str, Any]) -> Sitting:
    """Return the sitting that a card describes; what it leaves out is empty or 0."""
    every = {"command": "", "hardware": "", "epochs": 0.0, "drawn_anew": False, **facts}
    return Sitting(**{field.name: every[field.name] for field in fields(Sitting)})
