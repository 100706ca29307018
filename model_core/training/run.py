"""A whole run, put together: recipe and data in, a trained network in its directory out."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from model_core.errors import ConfigError
from model_core.networks import build_network
from model_core.training.batches import Batches
from model_core.training.display import open_display
from model_core.training.files import RunFiles, RunPaths, resume
from model_core.training.images import RunImages
from model_core.training.loop import Loop
from model_core.training.ranks import Ranks, joined_ranks
from model_core.training.recipe import Recipe
from model_core.training.state import TrainState
from model_core.training.step import DivergedError, Stepper
from model_core.training.stop import stop_on_signals


@dataclass(frozen=True)
class RunRequest:
    """What the command line asks for, in a form that can be sent to another process."""

    recipe: Recipe
    directory: Path
    resume: bool = False
    publish_to: Path | None = None


@dataclass(frozen=True)
class RunResult:
    """How a run ended."""

    finished: bool
    directory: Path
    iteration: int
    epochs: int
    best_nats: float | None
    best_epoch: int
    leads: bool = True
    """Whether this process is the one, of several, that tells the user."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        facts = {**asdict(self), "directory": str(self.directory)}
        del facts["leads"]
        return facts


def train(request: RunRequest) -> RunResult:
    """Train until the last epoch or a signal, as one process of the group that the environment describes.

    Raises ConfigError, DataError or ModelError for what cannot be trained, DivergedError when the loss stops being
    a number; the last checkpoint is then still good.
    """
    _use_few_threads()
    with joined_ranks(request.recipe.training.device) as ranks, stop_on_signals() as stop:
        loop, files = prepare(request, ranks)
        total = request.recipe.training.epochs * loop.per_epoch
        try:
            with open_display(ranks.leads, loop.state.iteration, total) as display:
                finished = loop.run(lambda: stop.made, display)
        except DivergedError as error:
            raise DivergedError(f"{error}: {_advice(request.directory)}") from None
        finally:
            if files is not None:
                files.journal.close()
    state = loop.state
    return RunResult(
        finished, request.directory, state.iteration, state.epochs, state.best_nats, state.best_epoch, ranks.leads
    )


def prepare(request: RunRequest, ranks: Ranks) -> tuple[Loop, RunFiles | None]:
    """A loop ready to run, and the files it writes to, which the caller closes; only the leading process has any."""
    recipe, training = request.recipe, request.recipe.training
    config = recipe.network.config()
    paths = RunPaths(request.directory)
    if paths.last.exists() and not request.resume:
        raise ConfigError(f"{paths.directory} already holds a run: add --resume to go on with it, or choose --name")
    images = RunImages(recipe, request.directory)
    train_images, valid = images.train(), images.valid()
    torch.manual_seed(training.seed)
    network = build_network(config).to(training.device)
    batches = Batches(train_images, training.batch, training.seed, ranks.rank, ranks.count)
    stepper = Stepper(network, batches, training, ranks)
    state = resume(paths, stepper, config) if request.resume else TrainState.fresh()
    files = None
    if ranks.leads:
        facts = {
            "network": asdict(config),
            "recipe": recipe.model_dump(mode="json"),
            "data": images.description,
            "name": request.directory.name,
        }
        files = RunFiles(paths, recipe, state, facts, request.publish_to)
    return Loop(stepper, valid, recipe, ranks, state, files), files


def _use_few_threads() -> None:
    """One thread a process unless the user says otherwise: with networks this small, more only wait for each other."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def _advice(directory: Path) -> str:
    last = RunPaths(directory).last
    good = f"{last} is the last good checkpoint" if last.exists() else "no checkpoint was written yet"
    return f"{good}; lower training.learning_rate, or set training.clip, and use --resume"
