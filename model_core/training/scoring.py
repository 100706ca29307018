"""The score of a published model on a data set, shown and, if asked, kept in its card."""

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
from model_core.models import Model
from model_core.models_directory import CARD, default_models_dir, model_names
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
    """Score `limit` images spread over a split (0: all), with a progress bar; of a model with labels also how well it
    tells those of the images, where they have any (read_labelled).

    say hears what was measured of the network's causality, and why labels were not scored. Raises ModelError when it is
    not causal, DataError when the images cannot be read.
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
    """The images, and their true labels as the model numbers them; None where model or data have none."""
    if not model.card.labels:
        return _images(model, data, split, limit), None
    try:
        values, found = read_labelled(
            data, split, model.config, _options(model), originals
        )
    except DataError as error:
        values = _images(model, data, split, limit)
        say(f"labels are not scored: {error}")
        return values, None
    numbers = np.array([model.card.label_number(name) for name in found.names])
    return spread(values, limit), numbers[spread(found.numbers, limit)]


def expect_as_they_are(model: Model, data: Path) -> None:
    """Raise DataError for a folder of pictures that would have to be converted for this
    model, unless the model learned from pictures that were converted in the same way.

    A score would otherwise be that of other pictures than those in the folder. The name
    of the folder decides nothing: it may have been moved, and a service that trains
    calls each folder `pictures`.
    """
    dataset = open_dataset(data, _options(model))
    if not isinstance(dataset, PictureFolder):
        return
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
    """ln p of each of `limit` images spread over a split (0: all), (N,); otherwise as score_model."""
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
    """Options to read the data as it was read for training."""
    training = model.card.training
    return ReadOptions(
        training.get("resize", "lanczos"),
        None,
        model.card.palette,
        training.get("crops", False),
    )


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def scored_directory(name_or_path: str, models_dir: Path | None) -> Path:
    """Directory of a model that load_model finds. Raises ModelError when no score can be written there."""
    kept = models_dir or default_models_dir()
    directory = (
        kept / name_or_path if name_or_path in model_names(kept) else Path(name_or_path)
    )
    if not os.access(directory, os.W_OK):
        raise ModelError(f"cannot write the score into {directory}: permission denied")
    return directory


def keep_score(directory: Path, split: str, score: Score) -> None:
    """Write a score into the model's card; the speed stays out, because it is this machine's.

    Raises ModelError, and leaves the card as it was, when it cannot be written.
    """
    card = Card.read(directory / CARD)
    scores = {"split": split, **score.to_dict()}
    del scores["images_per_s"]
    members = tuple(_scored(member, split, score) for member in card.members)
    replace(card, scores=scores, members=members).keep(directory)


def keep_validation(directory: Path, validation: Validation) -> None:
    """Write the quantiles of validation scores into the model's card; raises as keep_score."""
    replace(Card.read(directory / CARD), validation=validation).keep(directory)


def _scored(member: CardMember, split: str, score: Score) -> CardMember:
    """The member with its own test score, once it was measured."""
    if split != "test":
        return member
    return replace(
        member, test_nats=score.member_nats.get(member.orientation, score.nats)
    )
