"""How many processes make the updates of a training faster on this machine: some are
made by a group of processes, and timed.

What the group learns is discarded. Every process of it runs `time_updates` with the same
request, as it runs `run.train` in a training.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from model_core.data.crops import Crops
from model_core.data.labels import Labels
from model_core.data.splits import Values
from model_core.float32 import smallest_as_zero
from model_core.networks import build_network
from model_core.training.batches import Batches
from model_core.training.categories import categories_of
from model_core.training.device import training_device
from model_core.training.images import RunImages
from model_core.training.ranks import Ranks, joined_ranks
from model_core.training.recipe import Recipe
from model_core.training.run import make_process_fit
from model_core.training.step import Learner

_UNTIMED = 1
"""Updates of each number of processes that are not timed: the first one also loads
kernels."""


@dataclass(frozen=True)
class TimingRequest:
    """Updates to time, in a form that can be sent to another process.

    A number of shares (equal parts of a batch) in the recipe holds for every number of
    processes; without it each process has one share.
    """

    recipe: Recipe
    directory: Path
    """The run's directory."""
    cache: Path | None = None
    """Directory of decoded images. Default: `cache` beside the run."""
    counts: Sequence[int] = ()
    """Numbers of processes to time, in ascending order, at most as many as the group
    has."""
    updates: int = 1
    """Updates to time with each of them."""


@dataclass(frozen=True)
class Timing:
    """The result of `time_updates`."""

    update_s: dict[int, float]
    """Median seconds of an update, by number of processes."""
    joined_at: float
    """time.perf_counter() when all processes had found each other."""


TrainingImages = tuple[Values | Crops, Labels | None]


def time_updates(
    request: TimingRequest, images: TrainingImages | None = None
) -> Timing:
    """Time updates of this group of processes, as one process of it: every one calls
    this with the same request.

    images: the training images and their labels. Default: they are read.

    Changes this process as `make_process_fit` does, and seeds torch's global generator.
    Raises ConfigError or DataError if the recipe cannot be trained.
    """
    make_process_fit()
    recipe = request.recipe
    with (
        joined_ranks(training_device(recipe.training)) as ranks,
        smallest_as_zero(),
    ):
        joined_at = time.perf_counter()
        if images is None:
            categories = categories_of(recipe)
            images = RunImages(
                categories.recipe, request.directory, categories.palette, request.cache
            ).train()
        update_s: dict[int, float] = {}
        for count in request.counts:
            # Every process takes part in making the smaller group.
            first = ranks.first(count)
            if first is not None:
                first = first.with_shares(recipe.training.shares or count)
                learner = learner_of(recipe, images, first)
                update_s[count] = _median_seconds(learner, request.updates)
            # The others wait, so that they disturb nobody.
            ranks.any(flag=False)
    return Timing(update_s, joined_at)


def learner_of(
    recipe: Recipe, images: TrainingImages, ranks: Ranks | None = None
) -> Learner:
    """Return a learner of a network with random weights. Seeds torch's global generator
    (`torch.manual_seed`) with the recipe's seed.

    recipe: its network and training sections count.
    images: the training images, uint8 (N, C, H, W), or crops; and their labels or None.
    ranks: the group of processes. Default: this one alone.

    Raises ConfigError if the images do not fill a batch, or a batch cannot be divided
    into the recipe's shares; DataError if there is not one label for each image.
    """
    training = recipe.training
    train, labels = images
    ranks = ranks or Ranks(shares=training.shares)
    batches = Batches(
        train,
        training.batch,
        training.seed,
        ranks.rank,
        ranks.count,
        labels=None if labels is None else labels.numbers,
        shares=ranks.shares,
    )
    torch.manual_seed(training.seed)
    network = build_network(recipe.network.config())
    return Learner(network, batches, training, ranks)


def _median_seconds(learner: Learner, updates: int) -> float:
    times: list[float] = []
    for iteration in range(_UNTIMED + updates):
        began = time.perf_counter()
        learner.advance(iteration, stop=False)
        times.append(time.perf_counter() - began)
    return statistics.median(times[_UNTIMED:])
