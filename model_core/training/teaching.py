"""Plan a training on somebody's pictures that takes a given number of minutes on this
machine, by the properties of the pictures and the measured time of an update."""

import io
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from model_core.compiled.vector_code import HAS_BF16
from model_core.config import NetworkConfig
from model_core.data.arrays import ArrayFile
from model_core.data.crops import Crops
from model_core.data.datasets import open_dataset
from model_core.data.labels import Labels
from model_core.data.palette import MOST as MOST_COLOURS
from model_core.data.palette import Palette
from model_core.data.picture_files import first_names
from model_core.data.picture_names import find_others
from model_core.data.pixels import values_to_pixels
from model_core.data.splits import Values
from model_core.data.survey import FEW_COLOURS, Survey, survey
from model_core.data_memory import data_bytes
from model_core.float32 import smallest_as_zero
from model_core.slow_steps import if_slow
from model_core.training.ahead import compile_update, is_compiled, note_compiled
from model_core.training.categories import categories_of
from model_core.training.choice import choice, picture_recipe
from model_core.training.first_weights import named_model
from model_core.training.forecast import UPDATE_BY_SCORE
from model_core.training.images import RunImages
from model_core.training.precision import PRECISIONS, remember, remembered
from model_core.training.process_count import ALONE, ProcessLimits, choose_processes
from model_core.training.recipe import Recipe
from model_core.training.run import make_process_fit
from model_core.training.step import Learner
from model_core.training.timing import TimingRequest, learner_of

_LEAST_MEASURED = 4
"""Updates of each precision that are timed, at least. The first update is not timed,
because it also loads kernels."""
_MOST_MEASURED = 60
"""Updates of each precision that are timed, at most."""
_MEASURED_S = 2.0
"""Seconds after which no more updates are timed, for all precisions together: somebody
waits for the first update."""
_GRID_S = 1.0
"""Seconds for a grid of samples."""
_ROUNDS_A_MINUTE = 3
"""Validations per minute, each with a grid of samples."""
_LEAST_ROUNDS = 6
_MOST_ROUNDS = 60
_MOST_VALIDATING = 0.25
"""Largest share of the time for validations."""
_MOST_PASSES = 20
"""Passes over the pictures, at most: more would only learn them by heart. Crops are not
limited, because they have other places in each pass."""
_EARLY = (
    f"before its minutes, after {_MOST_PASSES} passes: more would only learn these "
    "pictures by heart"
)
_GENTLE_BELOW = 75
"""Updates. With fewer of them, from a model's weights, a smaller rate is better: 40
updates on 16 flags scored 5.48 bits/dim on other flags with 0.004, and 4.89 with
0.001."""
FEWEST_UPDATES = 20
"""Updates that a model needs to learn anything at all."""
_MORE_MINUTES = "give it more minutes, or smaller pictures"
_FEWEST_CATEGORIES = 3
"""Colours that a palette must have to be the categories of a network."""
_FEW = 100
"""Number of pictures below which a network learns their colours and little else."""


Update = tuple[NetworkConfig, str]
"""What decides which loops an update needs: network, images of a batch and precision."""


@dataclass(frozen=True)
class Lesson:
    """A recipe for pictures, and what to print before it is followed; `lesson` makes
    it."""

    recipe: Recipe
    """The recipe."""
    beforehand: str
    """The lines to print."""
    guessing_bits: float
    """Bits/dim of the uniform distribution."""
    png_bits: float
    """Bits/dim of the held-out pictures as one PNG file."""
    colours: int
    """Number of different colours of the pictures; 0 if there are many (`Survey`)."""
    early: str
    """Why the training ends before its minutes; empty if it does not."""
    other_update: Update | None = None
    """Network, batch and precision of an update that was not timed because it is not
    compiled yet; None if all were."""
    processes: int = 1
    """Number of processes that are to train."""
    process_bytes: int = 0
    """Bytes that timing updates took in one process; 0 if the system does not say."""


def lesson(
    path: Path,
    minutes: float,
    directory: Path,
    changes: tuple[str, ...] = (),
    channels: int | None = None,
    values: int | None = None,
    say: Callable[[str], None] = lambda _: None,
    cache: Path | None = None,
    is_hasty: bool = False,
    limits: ProcessLimits = ALONE,
) -> Lesson:
    """Return a recipe for some pictures that takes `minutes` on this machine, in the
    faster precision and with the shares of as many processes as make it faster.

    The pictures are read, and some updates are made and timed with networks that are
    then dropped.

    path: the pictures: a folder, or a file of arrays.
    minutes: counted from the first update on, with the time that several processes need
        to start.
    directory, cache: the run's directory, and that of decoded images.
    changes: the user's, such as "training.batch=4".
    channels, values: replace those that the pictures need.
    say: called with a line about what is being done.
    is_hasty: True to take float32 if bf16 is not compiled yet, so that the first update
        comes sooner; `other_update` then says what is missing.
    limits: the processes that the training may have.

    Raises DataError for pictures that cannot be read, ConfigError for a change that
    does not fit, ModelError if the model that it begins with cannot be loaded.
    """
    make_process_fit()
    held_bytes = data_bytes()
    with if_slow(say, "looking at the pictures"):
        pictures = survey(path)
    pictures = replace(
        pictures,
        channels=channels or pictures.channels,
        values=values or pictures.values,
    )
    draft, pictures = _first_draft(path, pictures, changes, values)

    with if_slow(say, "reading the pictures"):
        draft, palette = _with_categories(draft)
        if palette:
            pictures = replace(pictures, colours=len(palette))
        images = RunImages(draft.recipe, directory, palette, cache)
        valid, _ = images.valid()
        train, labels = images.train()
        readable = images.readable()
    if readable is not None:
        pictures = replace(pictures, pictures=readable)

    # The largest power of two that the training images fill.
    largest_batch = 2 ** int(math.log2(len(train)))
    batch = min(draft.recipe.training.batch, largest_batch)
    draft = draft.with_training(batch=batch)

    recipes = _recipes_to_time(draft)
    other_update: Update | None = None
    if is_hasty and len(recipes) > 1 and not is_compiled(*_update(recipes[-1])):
        other_update = _update(recipes.pop())
    times = _update_seconds(recipes, train, labels, say)
    update_s = min(times)
    faster = recipes[times.index(update_s)]
    if len(recipes) > 1:
        training = faster.training
        remember(faster.network.config(), training.batch, training.precision)
    draft = draft.with_training(precision=faster.training.precision)

    process_bytes = data_bytes() - held_bytes
    chosen = choose_processes(
        TimingRequest(draft.recipe, directory, cache=cache),
        (train, labels),
        limits,
        update_s,
        process_bytes,
        minutes,
        say,
    )
    draft = draft.with_training(shares=chosen.shares)

    most = math.inf
    if not draft.recipe.data.crops:
        most = _MOST_PASSES * len(train) // draft.recipe.training.batch
    left_minutes = minutes - chosen.spent_s / 60
    length, in_time = _length(
        draft.recipe, chosen.update_s, most, len(valid), left_minutes
    )
    recipe = draft.with_training(**length).recipe

    config = recipe.network.config()
    early = _EARLY if in_time > most else ""
    guessing = math.log2(config.values)
    png = file_bits(valid, config)
    lines = _beforehand(
        pictures,
        recipe,
        chosen.processes,
        minutes,
        guessing,
        png,
        early,
        _others(path),
    )
    return Lesson(
        recipe,
        lines,
        guessing,
        png,
        pictures.colours,
        early,
        other_update,
        chosen.processes,
        process_bytes,
    )


@dataclass(frozen=True)
class _Draft:
    """A recipe of which some fields are still to be chosen.

    The user's changes override whatever is chosen.
    """

    tree: dict[str, Any]
    """The content of a recipe file, without the user's changes."""
    changes: tuple[str, ...]
    """The user's, such as "training.batch=4"."""
    source: str
    """The path of the pictures, for messages."""

    @property
    def recipe(self) -> Recipe:
        """The recipe as it is now. Raises ConfigError for a change that does not
        fit."""
        return Recipe.from_tree(self.tree, self.changes, self.source)

    def with_training(self, **fields: Any) -> "_Draft":
        """Return a draft with these fields of [training]."""
        training = {**self.tree["training"], **fields}
        return replace(self, tree={**self.tree, "training": training})


def _first_draft(
    path: Path, pictures: Survey, changes: tuple[str, ...], values: int | None
) -> tuple[_Draft, Survey]:
    """Return the recipe for pictures before anything is measured; and the pictures with
    the colours and values that its network knows.

    values: the number of values that the user asks for; None for what the pictures
        need.
    """
    place = path.resolve()
    wanted = _Draft(picture_recipe(pictures, place), changes, str(path)).recipe
    # The user's changes may name another model to begin with. Then its network, and
    # the colours that it knows, replace those of the choice.
    begin = None
    if wanted.training.start not in ("", choice(pictures).start):
        begin = named_model(wanted.training.start).config
        pictures = replace(pictures, channels=begin.channels, values=begin.values)
    tree = picture_recipe(pictures, place, wanted.data.crops, begin)

    is_free = begin is None and values is None
    if wanted.data.palette != "none" or (is_free and _has_palette(path, wanted)):
        tree["data"]["palette"] = "auto"
        # No choice begins with weights that know categories.
        tree["training"]["start"] = ""
    usual_values = _Draft(tree, (), str(path)).recipe.network.config().values
    if not begin and values not in (None, usual_values):
        # Weights for another number of values cannot be used.
        changes = (f"network.values={values}", "training.start=", *changes)
    return _Draft(tree, changes, str(path)), pictures


def _has_palette(path: Path, recipe: Recipe) -> bool:
    """Return True if this is an archive of values whose colours it contains, enough of
    them for categories. Raises DataError if its palette is invalid."""
    dataset = open_dataset(path)
    config = recipe.network.config()
    if not isinstance(dataset, ArrayFile) or config.channels != 1:
        return False
    palette, _ = dataset.palette(config, MOST_COLOURS)
    return len(palette) >= _FEWEST_CATEGORIES


def _with_categories(draft: _Draft) -> tuple[_Draft, Palette]:
    """Return the draft with a network of the categories that the pictures have, and
    their colours; the draft itself and no colours if its recipe asks for none."""
    palette = categories_of(draft.recipe).palette
    if not palette:
        return draft, palette
    network = {
        **draft.tree["network"],
        "channels": 1,
        "values": len(palette),
        "categories": True,
    }
    return replace(draft, tree={**draft.tree, "network": network}), palette


def warning_of(
    updates: int,
    bits_per_dim: float,
    uniform_bits: float,
    png_bits: float,
    minutes: str = "",
) -> str:
    """Return a sentence for the user that says why a model is of little use although
    its training succeeded; empty if there is no reason. A model with a warning is not
    published by itself.

    updates: number of updates made.
    bits_per_dim: bits per variable of held-out pictures.
    uniform_bits: the same by guessing each value.
    png_bits: the same as a PNG file of these pictures.
    minutes: advice for too few updates.
    """
    warnings = []
    if updates < FEWEST_UPDATES:
        word = "update was" if updates == 1 else "updates were"
        warnings.append(f"only {updates} {word} made: {minutes or _MORE_MINUTES}")
    if bits_per_dim >= uniform_bits:
        warnings.append(
            f"the model is worse than guessing: {bits_per_dim:.2f} bits/dim of "
            f"pictures held back, guessing has {uniform_bits:.2f}"
        )
    elif bits_per_dim >= png_bits:
        warnings.append(
            f"the model is worse than PNG: {bits_per_dim:.2f} bits/dim of pictures "
            f"held back, PNG has {png_bits:.2f}"
        )
    return "; ".join(warnings)


def png_bits_of(recipe: Recipe, run: Path) -> float:
    """Return the bits per variable of a run's validation images as one PNG file.

    run: the run's directory.
    """
    categories = categories_of(recipe)
    images = RunImages(categories.recipe, run, categories.palette)
    values, _ = images.valid()
    return file_bits(values, categories.recipe.network.config())


def file_bits(values: Values, config: NetworkConfig, name: str = "PNG") -> float:
    """Return the bits per variable of images (N, C, H, W), 0..V-1, in one lossless
    picture file, in which they are stacked vertically.

    config: of the images' size and values.
    name: Pillow's name of the format.
    """
    pixels = values_to_pixels(np.asarray(values), config.levels).transpose(0, 2, 3, 1)
    rows = pixels.reshape(-1, config.width, config.channels)
    file = io.BytesIO()
    picture = Image.fromarray(rows[..., 0] if config.channels == 1 else rows)
    if config.categories:
        # Indexed by as few bits as its colours need; which ones does not matter.
        picture.putpalette(bytes(3 * config.values))
    # A picture in colours has no such mode: it would become grey.
    if config.values == 2 and config.channels == 1:
        picture = picture.convert("1")
    picture.save(file, name, optimize=True, lossless=True)
    return 8 * len(file.getvalue()) / values.size


def _recipes_to_time(draft: _Draft) -> list[Recipe]:
    """Return the recipe in each precision whose updates are to be timed.

    It is one recipe if the user names the precision, if this CPU has no bfloat16
    products, or if an earlier training has found the faster precision.
    """
    recipe = draft.recipe
    if not (HAS_BF16 and recipe.training.device == "cpu"):
        return [recipe]
    known = remembered(recipe.network.config(), recipe.training.batch)
    by_precision: dict[str, Recipe] = {}
    for precision in PRECISIONS if known is None else (known,):
        recipe = draft.with_training(precision=precision).recipe
        by_precision[recipe.training.precision] = recipe
    return [*by_precision.values()]


def _update_seconds(
    recipes: Sequence[Recipe],
    train: Values | Crops,
    labels: Labels | None,
    say: Callable[[str], None],
) -> list[float]:
    """Return the seconds of one update by each recipe, measured with networks that are
    then discarded."""
    with smallest_as_zero():
        # They take turns, so that a machine that becomes busy slows down all of them.
        # The first update of each may compile code for this machine and is not
        # counted.
        learners = [learner_of(recipe, (train, labels)) for recipe in recipes]
        for recipe, learner in zip(recipes, learners, strict=True):
            _advance_first(recipe, learner, say)
        times = [list[float]() for _ in learners]
        with if_slow(say, "timing updates"):
            for iteration in range(1, _MOST_MEASURED):
                if iteration > _LEAST_MEASURED and sum(map(sum, times)) > _MEASURED_S:
                    break
                for learner, seconds in zip(learners, times, strict=True):
                    began = time.perf_counter()
                    learner.advance(iteration, stop=False)
                    seconds.append(time.perf_counter() - began)
    return [statistics.median(seconds) for seconds in times]


def _update(recipe: Recipe) -> Update:
    return recipe.network.config(), recipe.training.precision


def _advance_first(
    recipe: Recipe, learner: Learner, say: Callable[[str], None]
) -> None:
    """Make a network's first update, with loops that two processes compile."""
    update = _update(recipe)
    is_new = recipe.training.device == "cpu" and not is_compiled(*update)
    if is_new:
        compile_update(*update, say)
    with if_slow(say, "making the first update"):
        learner.advance(0, stop=False)
    if is_new:
        note_compiled(*update)


def _length(
    recipe: Recipe,
    update_s: float,
    most: float,
    valid: int,
    minutes: float,
) -> tuple[dict[str, Any], int]:
    """Return the fields of [training] that determine its length, and how many updates
    there is time for.

    The updates are divided into rounds, each followed by a validation and a grid of
    samples.

    most: updates to make, at most.
    valid: number of validation images.
    """
    left_s = 60 * minutes
    rounds = max(_LEAST_ROUNDS, min(_MOST_ROUNDS, round(_ROUNDS_A_MINUTE * minutes)))
    # The weights and their average are both scored, with each label.
    passes = 2 * valid * max(1, recipe.network.config().labels)
    score_s = update_s / (UPDATE_BY_SCORE * recipe.training.batch)  # of one image
    validation_s = passes * score_s + _GRID_S
    rounds = max(1, min(rounds, int(_MOST_VALIDATING * left_s / validation_s)))
    in_time = int((left_s - rounds * validation_s) / update_s)
    updates = max(rounds, int(min(in_time, most)))
    gentle = min(1.0, updates / _GENTLE_BELOW) if recipe.training.start else 1.0
    length = {
        "learning_rate": recipe.training.learning_rate * gentle,
        "epochs": rounds,
        "epoch_updates": updates // rounds,
        "warmup": min(100, updates // 20),
        # Averages over about a tenth of the updates.
        "ema": min(0.9995, max(0.9, 1 - 10 / updates)),
    }
    return length, in_time


def _others(path: Path) -> str:
    others = find_others(path) if path.is_dir() else []
    if not others:
        return ""
    files = f"{len(others)} other files are no pictures"
    if len(others) == 1:
        files = "1 other file is no picture"
    return f"{files} that can be read: {first_names(others)}"


def _beforehand(
    pictures: Survey,
    recipe: Recipe,
    processes: int,
    minutes: float,
    guessing: float,
    png: float,
    early: str,
    others: str,
) -> str:
    """Return the lines to print before the training: what will be trained, and what
    score to expect."""
    config = recipe.network.config()
    ours = choice(pictures)
    sort = "in a palette" if config.categories else ours.sort
    start = recipe.training.start
    labels = f", {config.labels} folders as labels" if config.labels else ""
    begin = f"a copy of {start}" if start else "a network that has learned nothing"
    values = f"{config.values} values"
    if pictures.colours and (config.categories or config.channels > 1):
        values = f"{pictures.colours} colours"

    unit = "minute" if minutes == 1 else "minutes"
    by = f" by {processes} processes" if processes > 1 else ""
    plan = (
        f"{pictures.pictures} pictures {sort}{labels}: a {config.network} of "
        f"{config.width}x{config.height} pixels, {values}. {begin.capitalize()} "
        f"trains in {recipe.training.precision}{by} for at most {minutes:g} {unit}"
    )
    compare = (
        "some pictures are held back from it; the fewer bits the model needs for a "
        f"value of these, the more it has learned: guessing needs {guessing:.2f}, a PNG "
        f"file {png:.2f}"
    )
    lines = [plan, others, compare]
    if start == ours.start and not config.categories:
        lines.append(ours.reached)
    is_free = not config.categories and start in ("", ours.start)
    if is_free and 0 < pictures.colours <= FEW_COLOURS:
        lines.append(
            f"the pictures have {pictures.colours} colours alone: add "
            "`--set data.palette=auto`, and the model learns only these"
        )
    if pictures.pictures < _FEW and not recipe.data.crops:
        lines.append(
            f"with {pictures.pictures} pictures expect their colours, not their "
            "shapes; some hundred do better"
        )
    if early:
        lines.append(f"it ends {early}")
    return "\n".join(filter(None, lines))
