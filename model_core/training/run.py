"""A whole run, put together: recipe and data in, a trained network in its directory
out."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from model_core.allocator import keep_freed_memory
from model_core.card import CardLabel
from model_core.config import NetworkConfig
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
    origin_of,
    starting_model,
)
from model_core.training.images import RunImages
from model_core.training.loop import Loop
from model_core.training.memory import explained_memory
from model_core.training.ranks import Ranks, joined_ranks
from model_core.training.recipe import Recipe
from model_core.training.state import TrainState
from model_core.training.step import DivergedError, Learner
from model_core.training.stop import stop_on_signals


@dataclass(frozen=True)
class RunRequest:
    """The command line's request, in a form that can be sent to another process."""

    recipe: Recipe
    directory: Path
    resume: bool = False
    publish_to: Path | None = None
    command: str = ""
    """Command that repeats the run, as a person types it; the model's card says it."""
    cache: Path | None = None
    """Directory of decoded images. Default: `cache` beside the run."""


@dataclass(frozen=True)
class RunResult:
    """How a run ended."""

    finished: bool
    directory: Path
    iteration: int
    epochs: int
    best_nats: float | None
    best_epoch: int
    dimensions: int
    """Variables of an image."""
    best_error: float | None = None
    """Standard error of best_nats; None of one image."""
    valid_images: int = 0
    """Images held back, of which best_nats is the mean."""
    forecast_s: float | None = None
    """Seconds that this sitting was to take, as it said after its first updates; None
    if it ended before."""
    leads: bool = True
    """True in the one process that speaks to the user; of several that train together,
    the others keep silent."""

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON takes it."""
        facts = {**asdict(self), "directory": str(self.directory)}
        del facts["leads"]
        return facts


def train(
    request: RunRequest,
    make_display: Callable[[bool, int, int], Display] = Display,
    is_over: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Train until the last epoch, a signal, or where is_over says so, as one process of the group that the environment
    describes. make_display: its display hears how far it is.

    Raises ConfigError, DataError or ModelError for what cannot be trained; DivergedError when the loss stops being a
    number, and OutOfMemoryError: the last checkpoint is then still good.
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
        total = training.epochs * loop.per_epoch
        try:
            with make_display(ranks.leads, loop.state.iteration, total) as display:
                finished = loop.run(lambda: stop.made or is_over(), display)
        except DivergedError as error:
            way_on = RunPaths(request.directory).way_on(
                "lower training.learning_rate, or set training.clip"
            )
            raise DivergedError(f"{error}: {way_on}") from None
        finally:
            if files is not None:
                files.journal.close()
    state = loop.state
    reached = state.iteration, state.epochs, state.best_nats, state.best_epoch
    dimensions, forecast_s = loop.dimensions, loop.forecast.seconds
    return RunResult(
        finished,
        request.directory,
        *reached,
        dimensions,
        best_error=state.best_error,
        valid_images=loop.valid_images,
        forecast_s=forecast_s,
        leads=ranks.leads,
    )


def prepare(
    request: RunRequest, ranks: Ranks, device: str = "cpu"
) -> tuple[Loop, RunFiles | None]:
    """A loop ready to run, and the files it writes to, which the caller closes; only
    the leading process has any."""
    categories = categories_of(request.recipe)
    recipe, training = categories.recipe, request.recipe.training
    config = recipe.network.config()
    paths = RunPaths(request.directory)
    if not request.resume:
        expect_new(request.directory)
    if request.publish_to is not None:
        check_name(request.directory.name)
    start = None if request.resume else starting_model(recipe)
    images = RunImages(recipe, request.directory, categories.palette, request.cache)
    valid, valid_labels = (
        images.valid()
    )  # the small one first: what is wrong shows sooner
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
        images.drawn,
        None if train_labels is None else train_labels.numbers,
    )
    learner = Learner(
        _first_network(config, training.seed, start).to(device),
        batches,
        training,
        ranks,
    )
    labels = (
        ()
        if train_labels is None
        else zip(train_labels.names, train_labels.priors, strict=True)
    )
    facts = {
        "network": asdict(config),
        "recipe": recipe.model_dump(mode="json"),
        "per_epoch": batches.per_epoch,
        "data": images.description,
        "orientation": images.orientation,
        "train_images": len(train_images),
        "valid_images": len(valid),
        "name": request.directory.name,
        "command": request.command,
        "hardware": describe_hardware(device, ranks.count),
        "labels": [asdict(CardLabel(*label)) for label in labels],
    }
    if categories.palette:
        facts["palette"] = list(categories.palette)
    origin = origin_of(training.start, start) if start else None
    state = (
        resume(paths, learner, facts) if request.resume else TrainState.fresh(origin)
    )
    facts["recipe"]["training"]["start"] = (
        state.start.model if state.start else ""
    )  # the run's, not a later recipe's
    files = (
        RunFiles(paths, recipe, state, facts, request.publish_to)
        if ranks.leads
        else None
    )
    told = [
        line
        for line in (images.images_read(len(train_images), len(valid)), categories.told)
        if line
    ]
    return Loop(
        learner,
        valid,
        recipe,
        ranks,
        state,
        files,
        train_labels,
        valid_labels,
        "\n".join(told),
    ), files


def expect_new(directory: Path) -> None:
    """ConfigError where there is a run already."""
    if RunPaths(directory).last.exists():
        raise ConfigError(
            f"{directory} already holds a run: add --resume to go on with it, or "
            "choose --name"
        )


def _first_network(config: NetworkConfig, seed: int, start: Model | None) -> Network:
    """The network before its first update: the starting model's weights, or random
    ones."""
    torch.manual_seed(seed)
    network = build_network(config)
    if start is not None:
        begin_with(network, start.network)
    return network


def make_process_fit() -> None:
    """Keep freed memory, and one thread unless the user says otherwise: with networks
    this small, more only wait for each other."""
    keep_freed_memory()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
