"""Turn a checkpoint into a model that can be served: the averaged weights if there are
any, and a card."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from model_core.card import Card, CardLabel, CardMember
from model_core.components import Member
from model_core.config import NetworkConfig
from model_core.data.palette import greys
from model_core.errors import ModelError
from model_core.measures.leaks import require_causal
from model_core.models import Model, count_parameters, network_with, save_model
from model_core.models_directory import WEIGHTS, check_name
from model_core.training.checkpoint import read_checkpoint
from model_core.training.state import TrainState


def model_from_checkpoint(path: Path) -> Model:
    """Return the model of a checkpoint on the CPU, with its averaged weights if there
    are any, otherwise its last ones, and with a card without test scores. Nothing is
    written.

    Raises ModelError if the file is no checkpoint or its tensors do not fit its
    network.
    """
    tensors, facts = read_checkpoint(path)
    config = NetworkConfig.from_dict(facts["network"])
    has_average = any(name.startswith("average/") for name in tensors)
    kind = "average" if has_average else "weights"
    weights = {
        name.partition("/")[2]: tensor
        for name, tensor in tensors.items()
        if name.startswith(f"{kind}/")
    }
    network = network_with(config, weights, path).eval().requires_grad_(False)
    training = _training_facts(facts, kind)
    orientation = facts["orientation"]
    # Checkpoints of earlier versions have no palette.
    default_palette = greys(config.values) if config.categories else ()
    card = Card(
        name=facts["name"],
        config=config,
        parameters=count_parameters(network),
        data=facts["data"],
        training=training,
        palette=tuple(facts.get("palette", default_palette)),
        labels=tuple(CardLabel(**label) for label in facts["labels"]),
    )
    if orientation == "none":
        return Model.of(network, card)
    member = CardMember(
        orientation,
        WEIGHTS,
        images=training["images"],
        valid_nats=training["valid_nats"],
    )
    return Model((Member(network, orientation),), replace(card, members=(member,)))


def best_checkpoint(run: Path) -> Path:
    """Return the path of the best checkpoint in a run's directory, which need not
    exist; `run` itself if it is not a directory.

    Raises ModelError if the run has only a last checkpoint, because no epoch was better
    than the model that it began with.
    """
    if not run.is_dir():
        return run
    best = run / "best.safetensors"
    last = run / "last.safetensors"
    if last.exists() and not best.exists():
        raise ModelError(
            f"no epoch of {run} was better than the model that it began with: nothing "
            "to publish"
        )
    return best


def publish(
    checkpoint: Path,
    models_dir: Path,
    say: Callable[[str], None] = lambda _: None,
    name: str | None = None,
) -> Path:
    """Write the model of a checkpoint into `models_dir`, after checking that its
    network is causal, and return the model's directory. A model of the same name is
    replaced.

    say: called with a line that says what was checked.
    name: the model's. Default: the run's name.

    Raises ModelError if the file is no checkpoint or the network is not causal;
    ConfigError if the name is not allowed for a model.
    """
    model = model_from_checkpoint(checkpoint)
    name = name or model.card.name
    check_name(name)
    found = require_causal(model.network)
    directory = models_dir / name
    save_model(model, directory)
    say(found)
    return directory


def _training_facts(facts: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the `training` section of a card. Its `valid_nats` is None for weights
    other than those of the best epoch.

    kind: "average" or "weights".
    """
    state = TrainState.from_dict(facts["state"])
    training = facts["recipe"]["training"]
    data = facts["recipe"]["data"]
    history = state.history(facts)
    weights = "last"
    if kind == "average":
        weights = f"moving average, decay {training['ema']}"
    is_best = state.is_validated and state.epochs == state.best_epoch
    start = None
    if state.start:
        start = {"model": state.start.model, "sha256": state.start.sha256}
    return {
        "images": sum(sitting.images for sitting in history),
        "epochs": round(sum(sitting.epochs for sitting in history), 3),
        "hours": round(sum(sitting.hours for sitting in history), 3),
        "core_hours": round(sum(sitting.core_hours for sitting in history), 3),
        "history": [asdict(sitting) for sitting in history],
        # The run keeps no other score.
        "valid_nats": state.best_nats if is_best else None,
        "valid_images": facts["valid_images"] or data["valid_images"],
        "weights": weights,
        "command": facts["command"],
        "hardware": facts["hardware"],
        "resize": data["resize"],
        **({"crops": True} if data.get("crops") else {}),
        "start": start,
        "recipe": training,
    }
