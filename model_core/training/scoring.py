"""The score of a published model on a data set, which can be stored in its card."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from model_core.allocator import keep_freed_memory
from model_core.card import Card, CardMember, Validation
from model_core.data.datasets import open_dataset, read_dataset, read_labelled
from model_core.data.folder import PictureFolder
from model_core.data.labels import Numbers
from model_core.data.options import ReadOptions
from model_core.data.splits import Values, spread
from model_core.errors import DataError, ModelError
from model_core.measures.leaks import require_causal
from model_core.measures.likelihood import BATCH, log_likelihood
from model_core.models import Model, directory_of
from model_core.models_directory import CARD
from model_core.training.evaluate import Score, evaluate_model


def score_model(
    model: Model,
    data: Path,
    split: str,
    limit: int = 0,
    batch: int = 50,
    say: Callable[[str], None] = lambda _: None,
    originals: Path | None = None,
) -> Score:
    """Score a model on images of a data set, with a progress bar on stderr. If the
    model and the data have labels, the score includes how well the model classifies the
    images.

    data: directory or file of a data set.
    split: train, valid or test.
    limit: number of images, spread evenly over the split; 0: all.
    batch: images in one pass.
    say: called with lines on the network's causality, and on why labels were not
        scored.
    originals: see `read_labelled`.

    Raises ModelError if a network is not causal, DataError if the images cannot be
    read.
    """
    values, labels = _labelled_images(model, data, split, limit, originals, say)
    say(require_causal(*(member.network for member in model.members)))
    keep_freed_memory()
    with _progress() as progress:
        task = progress.add_task(f"{split} images", total=len(values))
        return evaluate_model(
            model, values, batch, lambda count: progress.advance(task, count), labels
        )


def _labelled_images(
    model: Model,
    data: Path,
    split: str,
    limit: int,
    originals: Path | None,
    say: Callable[[str], None],
) -> tuple[Values, Numbers | None]:
    """Return the images, and the index of each one's true label among the model's
    labels; None if the model or the data has no labels."""
    if not model.card.labels:
        return _images(model, data, split, limit), None
    try:
        values, labels = read_labelled(
            data, split, model.config, _options(model), originals
        )
    except DataError as error:
        values = _images(model, data, split, limit)
        say(f"labels are not scored: {error}")
        return values, None
    # The data may have the labels in another order than the model.
    names = [label.name for label in model.card.labels]
    unknown = [name for name in labels.names if name not in names]
    if unknown:
        say(f"labels are not scored: {model.card.name} has no label {unknown[0]!r}")
        return spread(values, limit), None
    numbers = np.array([names.index(name) for name in labels.names])
    return spread(values, limit), numbers[spread(labels.numbers, limit)]


def expect_as_they_are(model: Model, data: Path) -> None:
    """Raise DataError if there is no data set, or if `data` is a folder of pictures
    that would have to be converted for this model, unless the model was trained on
    pictures converted in the same way."""
    dataset = open_dataset(data, _options(model))
    if not isinstance(dataset, PictureFolder):
        return
    # The name of the folder does not matter: it may have been moved, and a service
    # that trains calls each folder `pictures`.
    if model.card.data.endswith(f"({dataset.preparation})"):
        return
    conversion = dataset.conversion(model.config)
    if conversion is not None:
        raise DataError(f"{conversion}; say --yes if that is meant")


def log_p_of_split(
    model: Model,
    data: Path,
    split: str,
    limit: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> NDArray[np.float64]:
    """Return ln p of the images of a split, in nats, (N,), in their order, with a
    progress bar on stderr.

    data: directory or file of a data set.
    split: train, valid or test.
    limit: number of images, spread evenly over the split; 0: all.
    say: called with a line on the network's causality.

    Raises ModelError if a network is not causal, DataError if the images cannot be
    read.
    """
    values = _images(model, data, split, limit)
    say(require_causal(*(member.network for member in model.members)))
    keep_freed_memory()
    with _progress() as progress:
        batches = torch.from_numpy(values.astype(np.int64)).split(BATCH)
        parts = [
            log_likelihood(model, part)
            for part in progress.track(batches, description=f"{split} images")
        ]
    return torch.cat(parts).double().cpu().numpy() if parts else np.zeros(0)


def _images(model: Model, data: Path, split: str, limit: int) -> Values:
    return spread(read_dataset(data, split, model.config, _options(model)), limit)


def _options(model: Model) -> ReadOptions:
    """Return the options with which the data was read for training."""
    training = model.card.training
    if not training and model.card.members:
        # `mix` leaves the training to the members, whose data has one description.
        training = model.card.members[0].training
    return ReadOptions(
        training.get("resize", "lanczos"),
        None,
        model.card.palette,
        training.get("crops", False),
    )


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def writable_directory(name_or_path: str, models_dir: Path | None) -> Path:
    """Return the directory of a model that `load_model` finds under this name or path.
    Raises ModelError if there is none, or if its card cannot be written."""
    directory = directory_of(name_or_path, models_dir)
    if not os.access(directory, os.W_OK):
        raise ModelError(f"cannot write the score into {directory}: permission denied")
    return directory


def keep_score(directory: Path, split: str, score: Score) -> None:
    """Write a score into the card of the model in `directory`, without the speed, which
    is that of this machine. A score of the test split becomes the members' own, too. How
    probable the model finds its own draws (`draws`) stays.

    Raises ModelError, and leaves the card as it was, if it cannot be read or written.
    """
    card = Card.read(directory / CARD)
    scores = {"split": split, **score.to_dict()}
    del scores["images_per_s"]
    if "draws" in card.scores:
        scores["draws"] = card.scores["draws"]
    members = tuple(_with_score(member, split, score) for member in card.members)
    replace(card, scores=scores, members=members).keep(directory)


def keep_validation(directory: Path, validation: Validation) -> None:
    """Write the quantiles of validation scores into the card of the model in
    `directory`. Raises ModelError, and leaves the card as it was, if it cannot be read
    or written."""
    replace(Card.read(directory / CARD), validation=validation).keep(directory)


def _with_score(member: CardMember, split: str, score: Score) -> CardMember:
    """Return the member with its own test score, if the split is the test split."""
    if split != "test":
        return member
    nats = score.member_nats.get(member.orientation, score.nats)
    return replace(member, test_nats=nats)
