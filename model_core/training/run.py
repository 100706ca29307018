"""A whole run: from a recipe and its data to a trained network in the run's
directory."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from model_core.allocator import keep_freed_memory
from model_core.card import CardLabel
from model_core.config import NetworkConfig
from model_core.data.labels import Labels
from model_core.errors import ConfigError
from model_core.float32 import smallest_as_zero
from model_core.models import Model
from model_core.models_directory import check_name
from model_core.networks import Network, build_network
from model_core.training.batches import Batches
from model_core.training.categories import categories_of
from model_core.training.device import describe_hardware, training_device
from model_core.training.disk import explained_disk
from model_core.training.display import Display
from model_core.training.files import RunFiles, RunPaths, resume
from model_core.training.first_weights import (
    begin_with,
    expect_labels_of,
    is_run,
    origin_of,
    restore_from_run,
    starting_model,
)
from model_core.training.images import RunImages
from model_core.training.loop import Loop
from model_core.training.memory import explained_memory
from model_core.training.ranks import Ranks, joined_ranks
from model_core.training.recipe import Recipe, TrainingSection
from model_core.training.shares import expect_shares, shares_of_run
from model_core.training.state import Decay, TrainState
from model_core.training.step import DivergedError, Learner
from model_core.training.stop import stop_on_signals


@dataclass(frozen=True)
class RunRequest:
    """What a training is to do, in a form that can be sent to another process."""

    recipe: Recipe
    """The recipe."""
    directory: Path
    """The run's directory; its name is that of the run."""
    resume: bool = False
    """True to continue from the run's last checkpoint."""
    publish_to: Path | None = None
    """Directory of models into which the best epoch so far is published; None: not. A
    resumed run publishes that of earlier sittings, if there is no such model yet."""
    command: str = ""
    """The command that repeats the run, as a person types it, for the model's card."""
    cache: Path | None = None
    """Directory of decoded images. Default: `cache` beside the run."""
    decay_updates: int | None = None
    """Let the learning rate fall from now on, over this many updates, with which the
    run ends. Only for a resumed run with the schedule `stable`."""


@dataclass(frozen=True)
class RunResult:
    """How a run ended; `train` returns it."""

    finished: bool
    """False if the run was stopped and can be resumed."""
    directory: Path
    """The run's directory."""
    iteration: int
    """Updates made."""
    epochs: int
    """Epochs that are complete."""
    best_nats: float | None
    """Best validation score, in nats per image; None if nothing was scored."""
    best_epoch: int
    """The epoch with that score; 0 if it is that of the starting model, or there is
    none."""
    dimensions: int
    """Number of variables of an image."""
    best_error: float | None = None
    """Standard error of best_nats; None for one image."""
    valid_images: int = 0
    """Number of validation images, over which best_nats is the mean."""
    forecast_s: float | None = None
    """Seconds that this sitting was expected to take after its first updates; None if
    it ended before."""
    leads: bool = True
    """True in the one process that prints messages for the user; False in the others
    that train with it."""

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values, without `leads`."""
        facts = {**asdict(self), "directory": str(self.directory)}
        del facts["leads"]
        return facts


def train(
    request: RunRequest,
    make_display: Callable[[bool, int, int], Display] = Display,
    is_over: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Train until the last epoch, a signal, or until is_over() is true, as one process
    of the group that the environment variables describe; write the run's files, and
    return how it ended.

    make_display: called with (leads, iteration, total); the display gets all progress.
    is_over: called before each update.

    Changes this process: meanwhile SIGINT and SIGTERM only stop the training; settings
    of memory, threads and denormal numbers are changed; and torch's global generator is
    seeded.

    Raises ConfigError, DataError or ModelError if the request cannot be trained. Raises
    DivergedError if the loss is no longer finite, OutOfMemoryError, or DiskError if the
    disk is full or broken; the last checkpoint is still good then.
    """
    make_process_fit()
    training = request.recipe.training
    device = training_device(training)
    with (
        explained_memory(training, request.directory),
        explained_disk(request.directory),
        joined_ranks(device) as ranks,
        stop_on_signals() as stop,
        smallest_as_zero(),
    ):
        loop, files = prepare(request, ranks, device)
        try:
            with make_display(
                ranks.leads, loop.state.iteration, loop.updates
            ) as display:
                finished = loop.run(lambda: stop.is_made or is_over(), display)
        except DivergedError as error:
            way_on = RunPaths(request.directory).way_on(
                "lower training.learning_rate, or set training.clip"
            )
            raise DivergedError(f"{error}: {way_on}") from None
        finally:
            if files is not None:
                files.journal.close()
    state = loop.state
    return RunResult(
        finished,
        request.directory,
        state.iteration,
        state.epochs,
        state.best_nats,
        state.best_epoch,
        loop.dimensions,
        best_error=state.best_error,
        valid_images=loop.valid_images,
        forecast_s=loop.forecast.seconds,
        leads=ranks.leads,
    )


def prepare(
    request: RunRequest, ranks: Ranks, device: str = "cpu"
) -> tuple[Loop, RunFiles | None]:
    """Read the data, make the directory and the log, and return a loop that is ready to
    run, from the last checkpoint if `request.resume`. Also return the files that it
    writes (None in processes that do not lead), which the caller closes with
    `files.journal.close()`. Seeds torch's global generator.

    ranks: the group of processes.
    device: of this process.

    Raises ConfigError, DataError or ModelError if the request cannot be trained.
    """
    categories = categories_of(request.recipe)
    recipe = categories.recipe
    training = recipe.training
    paths = RunPaths(request.directory)
    if not request.resume:
        expect_new(request.directory)
    if request.publish_to is not None:
        check_name(request.directory.name)
    bound_to = shares_of_run(training, paths.last if request.resume else None)
    ranks = ranks.with_shares(bound_to or ranks.count)
    expect_shares(ranks.shares, ranks.count, device)

    start = None if request.resume else starting_model(recipe)
    images = RunImages(recipe, request.directory, categories.palette, request.cache)
    # The smaller split first, so that an error in the data appears sooner.
    valid, valid_labels = images.valid()
    train_images, train_labels = images.train()
    if start is not None:
        expect_labels_of(start, train_labels, training.start)
    batches = Batches(
        train_images,
        training.batch,
        training.seed,
        ranks.rank,
        ranks.count,
        images.orientation,
        images.has_originals,
        None if train_labels is None else train_labels.numbers,
        ranks.shares,
    )
    network = _first_network(recipe.network.config(), training.seed, start)
    learner = Learner(network.to(device), batches, training, ranks)

    facts = {
        "network": asdict(recipe.network.config()),
        "recipe": recipe.model_dump(mode="json"),
        "per_epoch": batches.per_epoch,
        "data": images.description,
        "orientation": images.orientation,
        "train_images": len(train_images),
        "valid_images": len(valid),
        "name": request.directory.name,
        "command": request.command,
        "hardware": describe_hardware(device, ranks.count),
        "labels": _facts_of_labels(train_labels),
    }
    if categories.palette:
        facts["palette"] = list(categories.palette)
    # From now on the run is bound to its shares, if there are several on processors.
    if bound_to or (ranks.shares > 1 and device == "cpu"):
        facts["recipe"]["training"]["shares"] = ranks.shares

    if request.resume:
        state = resume(paths, learner, facts)
        if request.decay_updates is not None:
            _begin_decay(state, learner, training, request.decay_updates)
    else:
        state = TrainState.fresh(origin_of(training.start, start) if start else None)
        if is_run(training.start):
            restore_from_run(training.start, learner)
            learner.earlier_updates = state.age
    # The start of the run, even if it is resumed with a recipe that names another one.
    start_name = state.start.model if state.start else ""
    facts["recipe"]["training"]["start"] = start_name
    files = None
    if ranks.leads:
        files = RunFiles(paths, recipe, state, facts, request.publish_to)
        if request.resume:
            files.publish_earlier_best()
        else:
            # A run that failed before its first checkpoint may have left its best one.
            paths.best.unlink(missing_ok=True)

    lines = [images.reading_report(len(train_images), len(valid))]
    if categories.description:
        lines.append(categories.description)
    loop = Loop(
        learner,
        valid,
        recipe,
        ranks,
        state,
        files,
        train_labels,
        valid_labels,
        "\n".join(lines),
    )
    return loop, files


def _facts_of_labels(labels: Labels | None) -> list[dict[str, Any]]:
    """Return name and prior of each label as a model's card stores them; empty without
    labels."""
    if labels is None:
        return []
    names_and_priors = zip(labels.names, labels.priors, strict=True)
    return [asdict(CardLabel(name, prior)) for name, prior in names_and_priors]


def expect_new(directory: Path) -> None:
    """Raise ConfigError if there is already a run in this directory."""
    if RunPaths(directory).last.exists():
        raise ConfigError(
            f"{directory} already holds a run: add --resume to go on with it, or "
            "choose --name"
        )


def _begin_decay(
    state: TrainState, learner: Learner, training: TrainingSection, updates: int
) -> None:
    """Let the learning rate of a resumed run fall from now on. Raise ConfigError if it
    falls already or has another schedule."""
    if training.schedule != "stable":
        raise ConfigError(
            f"training.schedule = {training.schedule}: --decay-from-here is for the "
            "schedule stable (--set training.schedule=stable)"
        )
    if state.decay is not None:
        raise ConfigError(
            f"the learning rate falls since update {state.decay.first} already, and "
            f"the run ends with update {state.decay.end}: leave out --decay-from-here"
        )
    state.decay = Decay(state.iteration, updates)
    learner.decay = state.decay


def _first_network(config: NetworkConfig, seed: int, start: Model | None) -> Network:
    """Return the network before its first update, with the weights of the starting
    model or random ones. Seeds torch's global generator."""
    torch.manual_seed(seed)
    network = build_network(config)
    if start is not None:
        begin_with(network, start.network)
    return network


def make_process_fit() -> None:
    """Change this process for training: keep freed memory, and let torch use one thread
    unless OMP_NUM_THREADS is set."""
    keep_freed_memory()
    # With networks this small, more threads only wait for each other.
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
