"""The directory of one run: recipe.json, log.jsonl, tensorboard/, samples/, last.safetensors and best.safetensors."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from model_core.config import NetworkConfig
from model_core.errors import ConfigError, ModelError
from model_core.training.checkpoint import read_checkpoint, write_checkpoint
from model_core.training.journal import Journal
from model_core.training.publish import model_from_checkpoint, publish
from model_core.training.recipe import Recipe
from model_core.training.samples import draw_grid
from model_core.training.state import TrainState
from model_core.training.step import Learner


class RunPaths:
    """Names inside a run's directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.last = directory / "last.safetensors"
        self.best = directory / "best.safetensors"
        self.samples = directory / "samples"
        self.recipe = directory / "recipe.json"

    def way_on(self, change: str) -> str:
        """How a run that failed goes on after `change`: from its last checkpoint, if it has come so far."""
        if self.last.exists():
            return (
                f"{self.last} is the last good checkpoint; {change}, and use --resume"
            )
        return f"no checkpoint was written yet; {change}, and start again"


class RunFiles:
    """Writes what a run leaves behind; only the process that leads has one."""

    def __init__(
        self,
        paths: RunPaths,
        recipe: Recipe,
        state: TrainState,
        facts: dict[str, Any],
        publish_to: Path | None,
    ) -> None:
        """facts: what every checkpoint says beside the state. publish_to: models directory for each best epoch.

        Raises ConfigError when one of the directories cannot be made.
        """
        self.paths = paths
        self._recipe = recipe
        self._facts = facts
        self._publish_to = publish_to
        for directory in (paths.samples, publish_to):
            if directory is not None:
                _make(directory)
        paths.recipe.write_text(
            json.dumps(facts["recipe"], indent=1) + "\n", encoding="utf-8"
        )
        self.journal = Journal(
            paths.directory, state.iteration, recipe.output.tensorboard
        )

    def save(self, learner: Learner, state: TrainState) -> None:
        """Write the checkpoint to resume from."""
        write_checkpoint(
            self.paths.last,
            learner.tensors(),
            {**self._facts, "state": state.to_dict()},
        )

    def keep_best(self, learner: Learner, state: TrainState) -> None:
        """Write the best checkpoint so far, and publish it if asked."""
        write_checkpoint(
            self.paths.best,
            learner.tensors(),
            {**self._facts, "state": state.to_dict()},
        )
        if self._publish_to is not None:
            publish(self.paths.best, self._publish_to)

    def draw_samples(self, state: TrainState) -> Path | None:
        """Draw a grid from the last checkpoint; the recipe says how many images, and None is none."""
        if not self._recipe.output.samples:
            return None
        path = self.paths.samples / f"epoch-{state.epochs:04d}.png"
        draw_grid(
            model_from_checkpoint(self.paths.last), self._recipe.output.samples, path
        )
        return path


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make the directory {directory}: {error.strerror}"
        ) from None


def resume(paths: RunPaths, learner: Learner, asked: dict[str, Any]) -> TrainState:
    """Put the last checkpoint into a learner; `asked` is what the next checkpoint would say beside the state.

    Raises ConfigError when there is no checkpoint, or when its tensors mean something else than what is asked for.
    """
    if not paths.last.exists():
        raise ConfigError(f"nothing to resume: there is no {paths.last}")
    tensors, facts = read_checkpoint(paths.last)
    before, now = _meaning(facts), _meaning(asked)
    for name, was in before.items():
        if was is not None and was != now[name]:
            raise ConfigError(
                f"the run was started with {name} = {was}: it cannot go on with {now[name]}"
            )
    try:
        learner.restore(tensors)
    except (KeyError, RuntimeError) as error:
        raise ModelError(
            f"{paths.last} does not fit this recipe's network and optimiser: {error}"
        ) from None
    state = TrainState.from_dict(facts["state"])
    _agree_on_best(paths, state, tensors, facts)
    state.end_sitting(facts)
    return state


def _meaning(facts: dict[str, Any]) -> dict[str, Any]:
    """All that gives the tensors of a checkpoint their meaning, by the names that a person knows; None where an earlier
    version did not say it. Rates, schedules and how long to train may change."""
    data, training = facts["recipe"]["data"], facts["recipe"]["training"]
    network = asdict(NetworkConfig.from_dict(facts["network"]))
    title = f"{data['title']}: " if data.get("title") else ""
    return {
        **{f"network.{name}": value for name, value in network.items()},
        **{f"training.{name}": training[name] for name in ("batch", "seed", "rule")},
        "data.orientation": facts["orientation"],
        "data": facts["data"].removeprefix(title),
        "labels": ", ".join(label["name"] for label in facts["labels"]) or "none",
        "palette": facts.get("palette"),
        "training images": facts["train_images"] or None,
        "validation images": facts["valid_images"] or None,
        "updates an epoch": _updates_an_epoch(facts),
    }


def _updates_an_epoch(facts: dict[str, Any]) -> int:
    return facts["recipe"]["training"].get("epoch_updates") or facts["per_epoch"]


def _agree_on_best(
    paths: RunPaths,
    state: TrainState,
    tensors: dict[str, Tensor],
    facts: dict[str, Any],
) -> None:
    """The state names the best checkpoint that is there. A run may have ended between writing that and the last one,
    and earlier versions wrote the last one first."""
    best = (
        TrainState.from_dict(read_checkpoint(paths.best)[1]["state"])
        if paths.best.exists()
        else None
    )
    if best is None and state.best_epoch == 0:
        return
    if best is not None and (best.best_nats, best.best_epoch) == (
        state.best_nats,
        state.best_epoch,
    ):
        return
    if (
        state.best_epoch == state.epochs
        and state.iteration == state.epochs * _updates_an_epoch(facts)
    ):
        write_checkpoint(
            paths.best, tensors, facts
        )  # the weights of the best epoch are these
    elif best is not None:
        state.best_nats, state.best_epoch = best.best_nats, best.best_epoch
        state.best_error = best.best_error
    else:
        state.best_nats, state.best_epoch = None, 0
        state.best_error = None
