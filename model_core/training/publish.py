"""A checkpoint to a model that can be served: the averaged weights if there are any, and a card."""

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
    """The network of a checkpoint with its averaged weights (else its last), and a card that has no test score yet.

    Raises ModelError when the file is no checkpoint or its tensors do not make its network.
    """
    tensors, facts = read_checkpoint(path)
    config = NetworkConfig.from_dict(facts["network"])
    kind = (
        "average" if any(name.startswith("average/") for name in tensors) else "weights"
    )
    named = {
        n.partition("/")[2]: t for n, t in tensors.items() if n.startswith(f"{kind}/")
    }
    network = network_with(config, named, path).eval().requires_grad_(False)
    training = _training_facts(facts, kind)
    orientation = facts["orientation"]
    card = Card(
        name=facts["name"],
        config=config,
        parameters=count_parameters(network),
        data=facts["data"],
        training=training,
        palette=tuple(
            facts.get("palette", greys(config.values) if config.categories else ())
        ),
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
    """The best checkpoint of a run's directory, or the checkpoint itself; ModelError when the run has none."""
    if not run.is_dir():
        return run
    best, last = run / "best.safetensors", run / "last.safetensors"
    if last.exists() and not best.exists():
        raise ModelError(
            f"no epoch of {run} was better than the model that it began with: nothing to publish"
        )
    return best


def publish(
    checkpoint: Path,
    models_dir: Path,
    say: Callable[[str], None] = lambda _: None,
    name: str | None = None,
) -> Path:
    """Write models_dir/NAME from a checkpoint, NAME being the run's unless another is given; returns that directory.

    say hears what was measured of the network's causality. Raises ModelError when the file is no checkpoint, or when
    the network is not causal; ConfigError when no model can have that name.
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
    state, training = TrainState.from_dict(facts["state"]), facts["recipe"]["training"]
    history = state.history(facts)
    return {
        "images": sum(sitting.images for sitting in history),
        "epochs": round(sum(sitting.epochs for sitting in history), 3),
        "hours": round(sum(sitting.hours for sitting in history), 3),
        "history": [asdict(sitting) for sitting in history],
        "valid_nats": state.best_nats,
        "valid_images": facts["valid_images"]
        or facts["recipe"]["data"]["valid_images"],
        "weights": f"moving average, decay {training['ema']}"
        if kind == "average"
        else "last",
        "command": facts["command"],
        "hardware": facts["hardware"],
        "resize": facts["recipe"]["data"]["resize"],
        **({"crops": True} if facts["recipe"]["data"].get("crops") else {}),
        "start": {"model": state.start.model, "sha256": state.start.sha256}
        if state.start
        else None,
        "recipe": training,
    }
