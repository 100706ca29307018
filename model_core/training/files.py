"""The directory of a run: recipe.json, log.jsonl, tensorboard/, samples/,
last.safetensors and best.safetensors."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from model_core.card import Card
from model_core.config import NetworkConfig
from model_core.data.images import write_grid
from model_core.errors import ConfigError, ModelError
from model_core.models import Model
from model_core.models_directory import CARD
from model_core.sampling import sample
from model_core.training.checkpoint import (
    read_checkpoint,
    read_facts,
    updates_an_epoch,
    write_checkpoint,
)
from model_core.training.journal import Journal
from model_core.training.publish import model_from_checkpoint, publish
from model_core.training.recipe import Recipe
from model_core.training.state import TrainState
from model_core.training.step import Learner


class RunPaths:
    """The paths of the files in a run's directory. They need not exist.

    directory: the run's.
    last: the checkpoint to resume from.
    best: the checkpoint with the best validation score.
    samples: directory of pictures.
    recipe: the recipe as JSON.
    """

    def __init__(self, directory: Path) -> None:
        """directory: the run's."""
        self.directory = directory
        self.last = directory / "last.safetensors"
        self.best = directory / "best.safetensors"
        self.samples = directory / "samples"
        self.recipe = directory / "recipe.json"

    def way_on(self, change: str) -> str:
        """Return a sentence for the user that says how a failed run can continue: from
        its last checkpoint if there is one, otherwise from the start.

        change: what the user must do before, such as `make room`.
        """
        if self.last.exists():
            return (
                f"{self.last} is the last good checkpoint; {change}, and use --resume"
            )
        return f"no checkpoint was written yet; {change}, and start again"


class RunFiles:
    """Writes the files of a run. Only the process that leads has one. At the end, call
    `journal.close()`.

    paths: the files.
    journal: the log.
    """

    def __init__(
        self,
        paths: RunPaths,
        recipe: Recipe,
        state: TrainState,
        facts: dict[str, Any],
        publish_to: Path | None,
    ) -> None:
        """Make the directories, write recipe.json, and open the log, from which lines
        after the state's iteration are removed.

        facts: what every checkpoint contains besides tensors and state.
        publish_to: directory of models into which the best epoch so far is published;
            None: not.

        Raises ConfigError if a directory cannot be made or TensorBoard is missing.
        """
        self.paths = paths
        self._recipe = recipe
        self._facts = facts
        self._publish_to = publish_to
        for directory in (paths.samples, publish_to):
            if directory is not None:
                _make_directory(directory)
        paths.recipe.write_text(
            json.dumps(facts["recipe"], indent=1) + "\n", encoding="utf-8"
        )
        self.journal = Journal(
            paths.directory, state.iteration, recipe.output.tensorboard
        )

    def save(self, learner: Learner, state: TrainState) -> None:
        """Write last.safetensors, the checkpoint to resume from."""
        write_checkpoint(
            self.paths.last,
            learner.tensors(),
            {**self._facts, "state": state.to_dict()},
        )

    def keep_best(self, learner: Learner, state: TrainState) -> None:
        """Write best.safetensors, and publish it as a model if the run publishes."""
        write_checkpoint(
            self.paths.best,
            learner.tensors(),
            {**self._facts, "state": state.to_dict()},
        )
        if self._publish_to is not None:
            publish(self.paths.best, self._publish_to)

    def publish_earlier_best(self) -> None:
        """Publish the best epoch of the run's earlier sittings (commands that trained
        it), unless it is published already or a model of the run's name exists that is
        not older. Do nothing if the run publishes nothing or has no best epoch yet."""
        # Earlier sittings may have published elsewhere, not at all, or without
        # success.
        if self._publish_to is None or not self.paths.best.exists():
            return
        name = self._facts["name"]
        if self._lacks_best(self._publish_to / name / CARD):
            publish(self.paths.best, self._publish_to, name=name)

    def _lacks_best(self, card: Path) -> bool:
        """Return True if there is no such card, if it is damaged, or if it is that of a
        worse epoch of the run."""
        if not card.exists():
            return True
        facts = read_facts(self.paths.best)
        best = TrainState.from_dict(facts["state"]).best_nats
        try:
            there = Card.read(card)
        except ModelError:
            return True
        nats = there.training.get("valid_nats")
        config = NetworkConfig.from_dict(facts["network"])
        is_other = there.data != facts["data"] or there.config != config
        if is_other or nats is None or best is None:
            return False
        return nats > best

    def draw_samples(self, state: TrainState) -> Path | None:
        """Draw samples with the last checkpoint, write them as one picture, and return
        its path; None if the recipe wants no samples."""
        if not self._recipe.output.samples:
            return None
        path = self.paths.samples / f"epoch-{state.epochs:04d}.png"
        draw_grid(
            model_from_checkpoint(self.paths.last), self._recipe.output.samples, path
        )
        return path


def draw_grid(model: Model, count: int, path: Path) -> None:
    """Draw `count` images and write them to `path` as one picture. Raises OSError if it
    cannot be written."""
    # The same noise for all epochs, so that their grids differ only by the weights.
    images = sample(model, count, seed=0).cpu().numpy()
    write_grid(images, model.config, path, palette=model.card.palette)


@contextmanager
def locked_run(directory: Path) -> Iterator[None]:
    """Context manager that makes a run's directory and locks it against another start
    of the run. A directory that stays empty is removed. Of processes that torchrun
    starts, the first one holds the lock. A file system that cannot lock keeps nobody
    out.

    Raises ConfigError if another process trains there, or the directory cannot be made.
    """
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    _make_directory(directory)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigError(
            f"another process trains in {directory}: wait for it, or choose --name"
        ) from None
    except OSError:
        pass
    try:
        yield
    finally:
        with suppress(OSError):
            directory.rmdir()
        os.close(descriptor)


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make the directory {directory}: {error.strerror}"
        ) from None


def resume(paths: RunPaths, learner: Learner, next_facts: dict[str, Any]) -> TrainState:
    """Load the last checkpoint of a run into a learner, and return its state, in which
    the sitting that wrote the checkpoint has ended. After a crash, best.safetensors may
    be written, so that it and the state agree on the best epoch.

    next_facts: what the next checkpoint will contain besides tensors and state.

    Raises ConfigError if there is no checkpoint, or if it is of another network, batch
    or data set; ModelError if it is damaged.
    """
    if not paths.last.exists():
        raise ConfigError(f"nothing to resume: there is no {paths.last}")
    tensors, facts = read_checkpoint(paths.last)
    now = _meaning(next_facts)
    for name, was in _meaning(facts).items():
        if was is not None and was != now[name]:
            raise ConfigError(
                f"the run was started with {name} = {was}: it cannot go on with "
                f"{now[name]}"
            )
    state = TrainState.from_dict(facts["state"])
    _expect_same_decay(state, facts, next_facts)
    try:
        learner.restore(tensors)
    except (KeyError, RuntimeError) as error:
        raise ModelError(
            f"{paths.last} does not fit this recipe's network and optimiser: {error}"
        ) from None
    learner.decay = state.decay
    learner.earlier_updates = state.start.updates if state.start else 0
    _agree_on_best(paths, state, tensors, facts)
    state.end_sitting(facts)
    return state


def _expect_same_decay(
    state: TrainState, facts: dict[str, Any], next_facts: dict[str, Any]
) -> None:
    """Raise ConfigError if the rate is already falling and the recipe would change how
    it falls."""
    if state.decay is None:
        return
    was = facts["recipe"]["training"]
    now = next_facts["recipe"]["training"]
    for name in ("schedule", "epochs", "decay"):
        if was[name] != now[name]:
            raise ConfigError(
                f"the learning rate falls since update {state.decay.first}: expected "
                f"training.{name} = {was[name]}, as before, not {now[name]}"
            )


def _meaning(facts: dict[str, Any]) -> dict[str, Any]:
    """Return everything that gives the tensors of a checkpoint their meaning, by names
    that a user knows; None for what an earlier version did not write. Rates, schedules
    and the length of the training may change."""
    data = facts["recipe"]["data"]
    training = facts["recipe"]["training"]
    network = asdict(NetworkConfig.from_dict(facts["network"]))
    title = f"{data['title']}: " if data.get("title") else ""
    return {
        **{f"network.{name}": value for name, value in network.items()},
        **{f"training.{name}": training[name] for name in ("batch", "seed", "rule")},
        "training.shares": training["shares"] or None,
        "data.orientation": facts["orientation"],
        "data": facts["data"].removeprefix(title),
        "labels": ", ".join(label["name"] for label in facts["labels"]) or "none",
        "palette": facts.get("palette"),
        "training images": facts["train_images"] or None,
        "validation images": facts["valid_images"] or None,
        "updates an epoch": updates_an_epoch(facts),
    }


def _agree_on_best(
    paths: RunPaths,
    state: TrainState,
    tensors: dict[str, Tensor],
    facts: dict[str, Any],
) -> None:
    """Make the state name the best checkpoint that exists. A run may have ended after
    it wrote best.safetensors and before last.safetensors, and earlier versions wrote
    them in the other order."""
    best = None
    if paths.best.exists():
        _, best_facts = read_checkpoint(paths.best)
        best = TrainState.from_dict(best_facts["state"])
    if best is None and state.best_epoch == 0:
        return
    if (
        best is not None
        and best.best_nats == state.best_nats
        and best.best_epoch == state.best_epoch
    ):
        return

    if state.is_validated and state.best_epoch == state.epochs:
        # The last checkpoint has the weights of the best epoch.
        write_checkpoint(paths.best, tensors, facts)
    elif best is not None:
        state.best_nats = best.best_nats
        state.best_epoch = best.best_epoch
        state.best_error = best.best_error
    else:
        state.best_nats = None
        state.best_epoch = 0
        state.best_error = None
