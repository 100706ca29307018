"""Plans a training on pictures that takes so many minutes here: by what they are, and
by what an update takes."""

import io
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from model_core.compiled.vector_code import HAS_BF16
from model_core.config import NetworkConfig
from model_core.data.crops import Crops
from model_core.data.labels import Labels
from model_core.data.picture_names import find_others
from model_core.data.pixels import values_to_pixels
from model_core.data.splits import Values
from model_core.data.survey import Survey, survey
from model_core.float32 import smallest_as_zero
from model_core.networks import build_network
from model_core.slow_steps import if_slow
from model_core.training.ahead import compile_update, is_compiled, note_compiled
from model_core.training.batches import Batches
from model_core.training.chosen import choice, chosen_recipe
from model_core.training.first_weights import named_model
from model_core.training.forecast import UPDATE_BY_SCORE
from model_core.training.images import RunImages
from model_core.training.precision import PRECISIONS, remember, remembered
from model_core.training.ranks import Ranks
from model_core.training.recipe import Recipe
from model_core.training.run import make_process_fit
from model_core.training.step import Learner

_LEAST_MEASURED = 4
_MOST_MEASURED = 60
"""Updates of each precision that are timed. The first, which also loads kernels, does not count."""
_MEASURED_S = 2.0
"""Seconds for them, all together: somebody waits for the first update."""
_GRID_S = 1.0
_ROUNDS_A_MINUTE, _LEAST_ROUNDS, _MOST_ROUNDS = 3, 6, 60
"""Validations, each with a grid of samples."""
_MOST_VALIDATING = 0.25
"""Part of the time that validations may take."""
_MOST_PASSES = 20
"""Passes over the pictures; more would only learn them by heart. Crops are others in
each pass."""
_EARLY = f"before its minutes, after {_MOST_PASSES} passes: more would only learn these pictures by heart"
_GENTLE_BELOW = 75
"""Updates: fewer of them, from a model's weights, want a smaller rate. Of 16 flags, in
40 updates, 0.004 came to 5.48 bits/dim of other flags and 0.001 to 4.89."""
FEWEST_UPDATES = 20
"""Updates of which a model has learned anything at all."""
_MORE_MINUTES = "give it more minutes, or smaller pictures"
_NAMED = 5
"""Files that are named; more would only fill the screen."""
_FEW = 100
"""Pictures: of fewer a network learns colours and little else."""


Update = tuple[NetworkConfig, int, str]
"""What decides which loops an update needs: network, images of a batch and precision."""


@dataclass(frozen=True)
class Lesson:
    """A recipe for pictures, and the lines to show before it is followed."""

    recipe: Recipe
    beforehand: str
    guessing_bits: float
    """Bits/dim of knowing nothing."""
    png_bits: float
    """Bits/dim that PNG needs for the pictures held back, all in one file."""
    colours: int
    """Colours that the pictures have together; 0 where they are more than a palette
    has, or greys."""
    early: str
    """The reason why it ends before its minutes; empty where it does not."""
    other_update: Update | None = None
    """Network, batch and precision of an update that was not timed because it is not
    compiled yet; None if all were."""


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
) -> Lesson:
    """Return the recipe that takes `minutes` on this machine, in the faster precision.

    minutes: counted from the first update on; what is prepared before it may take as
    long again the first time. changes: the user's. channels, values: take the place of
    what the pictures need. directory, cache: the run's. say: hears what is being done,
    if it takes longer than a moment. is_hasty: take float32 if bf16 is not compiled yet,
    so that the first update comes sooner; `other_update` then says what is missing.
    Raises DataError for pictures that cannot be read, ConfigError for a change that does
    not fit.
    """
    make_process_fit()
    with if_slow(say, "looking at the pictures"):
        seen = survey(path)
    seen = replace(
        seen, channels=channels or seen.channels, values=values or seen.values
    )
    wanted, begin = (
        Recipe.changed(chosen_recipe(seen, path.resolve()), changes, str(path)),
        None,
    )
    if wanted.training.start not in ("", choice(seen).start):
        begin = named_model(wanted.training.start).config
        seen = replace(seen, channels=begin.channels, values=begin.values)
    tree = chosen_recipe(seen, path.resolve(), wanted.data.crops, begin)
    if not begin and values not in (
        None,
        Recipe.changed(tree, (), "").network.config().values,
    ):
        changes = (f"network.values={values}", "training.start=", *changes)
    draft = Recipe.changed(tree, changes, str(path))
    with if_slow(say, "reading the pictures"):
        images = RunImages(draft, directory, cache=cache)
        valid, _ = images.valid()
        train, labels = images.train()
        readable = images.readable()
    if readable is not None:
        seen = replace(seen, pictures=readable)
    tree["training"]["batch"] = min(
        draft.training.batch, 2 ** int(math.log2(len(train)))
    )
    recipes = _recipes_to_time(tree, changes, str(path))
    other_update: Update | None = None
    if is_hasty and len(recipes) > 1 and not is_compiled(*_update(recipes[-1])):
        other_update = _update(recipes.pop())
    times = _update_seconds(recipes, train, labels, say)
    update_s = min(times)
    faster = recipes[times.index(update_s)]
    if len(recipes) > 1:
        remember(
            faster.network.config(), faster.training.batch, faster.training.precision
        )
    tree["training"]["precision"] = faster.training.precision
    draft = Recipe.changed(tree, changes, str(path))
    most = (
        math.inf
        if wanted.data.crops
        else _MOST_PASSES * len(train) // draft.training.batch
    )
    length, in_time = _length(draft, update_s, most, len(valid), minutes)
    tree["training"] |= length
    recipe = Recipe.changed(tree, changes, str(path))
    config, early = recipe.network.config(), _EARLY if in_time > most else ""
    guessing, png = math.log2(config.values), file_bits(valid, config)
    told = _beforehand(seen, recipe, minutes, guessing, png, early, _others(path))
    return Lesson(recipe, told, guessing, png, seen.colours, early, other_update)


def warning_of(
    updates: int, bits_per_dim: float, uniform_bits: float, minutes: str = ""
) -> str:
    """Return why a model is not worth much although its training succeeded; empty if
    there is no reason.

    updates: how many were made. bits_per_dim: of pictures held back. uniform_bits: of
    guessing. minutes: what to do if the updates are few.
    """
    warnings = []
    if updates < FEWEST_UPDATES:
        word = "update was" if updates == 1 else "updates were"
        warnings.append(f"only {updates} {word} made: {minutes or _MORE_MINUTES}")
    if bits_per_dim >= uniform_bits:
        warnings.append(
            f"the model is worse than guessing: {bits_per_dim:.2f} bits/dim of "
            "pictures "
            f"held back, guessing has {uniform_bits:.2f}"
        )
    return "; ".join(warnings)


def file_bits(values: Values, config: NetworkConfig, name: str = "PNG") -> float:
    """Bits for each variable of images (N, C, H, W) in a file without loss of this
    format, all of them one picture."""
    pixels = values_to_pixels(np.asarray(values), config.values).transpose(0, 2, 3, 1)
    rows = pixels.reshape(-1, config.width, config.channels)
    file = io.BytesIO()
    picture = Image.fromarray(rows[..., 0] if config.channels == 1 else rows)
    picture = picture.convert("1") if config.values == 2 else picture
    picture.save(file, name, optimize=True, lossless=True)
    return 8 * len(file.getvalue()) / values.size


def _recipes_to_time(
    tree: dict[str, Any], changes: tuple[str, ...], source: str
) -> list[Recipe]:
    """Return the recipe in each precision in which updates are to be timed.

    It is one recipe if the user names the precision, if this processor has no products
    of bf16 numbers, or if an earlier training found out which is faster.
    """
    draft = Recipe.changed(tree, changes, source)
    training = draft.training
    if not (HAS_BF16 and training.device == "cpu"):
        return [draft]
    known = remembered(draft.network.config(), training.batch)
    by_precision: dict[str, Recipe] = {}
    for precision in PRECISIONS if known is None else (known,):
        in_it = {**tree, "training": {**tree["training"], "precision": precision}}
        recipe = Recipe.changed(
            in_it, changes, source
        )  # the changes have the last word
        by_precision[recipe.training.precision] = recipe
    return [*by_precision.values()]


def _update_seconds(
    recipes: Sequence[Recipe],
    train: Values | Crops,
    labels: Labels | None,
    say: Callable[[str], None],
) -> list[float]:
    """Return the seconds of one update by each recipe, of networks that are thrown away.

    The recipes take turns, so that a machine that becomes busy slows down all of them.
    The first update of each compiles what was never compiled here, and does not count.
    """
    with smallest_as_zero():
        learners = [_learner(recipe, train, labels) for recipe in recipes]
        with if_slow(say, "compiling the loops that learn, once on this machine"):
            for recipe, learner in zip(recipes, learners, strict=True):
                _advance_first(recipe, learner)
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
    training = recipe.training
    return recipe.network.config(), training.batch, training.precision


def _advance_first(recipe: Recipe, learner: Learner) -> None:
    """Make a network's first update, with loops that two processes compile."""
    update = _update(recipe)
    if recipe.training.device == "cpu" and not is_compiled(*update):
        compile_update(*update)
        learner.advance(0, stop=False)
        note_compiled(*update)
    else:
        learner.advance(0, stop=False)


def _learner(recipe: Recipe, train: Values | Crops, labels: Labels | None) -> Learner:
    training = recipe.training
    batches = Batches(
        train,
        training.batch,
        training.seed,
        labels=None if labels is None else labels.numbers,
    )
    torch.manual_seed(training.seed)
    return Learner(build_network(recipe.network.config()), batches, training, Ranks())


def _length(
    recipe: Recipe,
    update_s: float,
    most: float,
    valid: int,
    minutes: float,
) -> tuple[dict[str, Any], int]:
    """The part of [training] that says how long: rounds of updates, each closed by a
    validation and a grid; and how many updates there is time for, of which `most` are
    made."""
    left_s = 60 * minutes
    rounds = max(_LEAST_ROUNDS, min(_MOST_ROUNDS, round(_ROUNDS_A_MINUTE * minutes)))
    passes = (
        2 * valid * max(1, recipe.network.config().labels)
    )  # weights and their average
    validation_s = (
        update_s * passes / (UPDATE_BY_SCORE * recipe.training.batch) + _GRID_S
    )
    rounds = max(1, min(rounds, int(_MOST_VALIDATING * left_s / validation_s)))
    in_time = int((left_s - rounds * validation_s) / update_s)
    updates = max(rounds, int(min(in_time, most)))
    gentle = min(1.0, updates / _GENTLE_BELOW) if recipe.training.start else 1.0
    return {
        "learning_rate": recipe.training.learning_rate * gentle,
        "epochs": rounds,
        "epoch_updates": updates // rounds,
        "warmup": min(100, updates // 20),
        "ema": min(0.9995, max(0.9, 1 - 10 / updates)),
    }, in_time


def _others(path: Path) -> str:
    """Return a line on the files of a folder that are no pictures; empty if none is."""
    others = find_others(path) if path.is_dir() else []
    if not others:
        return ""
    named = ", ".join(others[:_NAMED])
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    files = (
        "1 other file is no picture"
        if len(others) == 1
        else (f"{len(others)} other files are no pictures")
    )
    return f"{files} that can be read: {named}{more}"


def _beforehand(
    seen: Survey,
    recipe: Recipe,
    minutes: float,
    guessing: float,
    png: float,
    early: str,
    others: str,
) -> str:
    config, ours = recipe.network.config(), choice(seen)
    of = f", {config.labels} folders as labels" if config.labels else ""
    begin = (
        f"the weights of {recipe.training.start}"
        if recipe.training.start
        else "random weights"
    )
    shown = f"{seen.colours} colours" if seen.colours else f"{config.values} values"
    what = (
        f"{seen.pictures} pictures {ours.sort}{of}: a {config.network} of "
        f"{config.width}x{config.height} pixels, "
        f"{shown}, begins with {begin} and trains in {recipe.training.precision} for "
        f"at most {minutes:g} minutes"
    )
    beside = f"guessing has {guessing:.2f} bits/dim, PNG {png:.2f} for the pictures held back"
    reached = ours.reached if recipe.training.start == ours.start else ""
    few = f"with {seen.pictures} pictures expect their colours, not their shapes; some hundred do better"
    is_few = seen.pictures < _FEW and not recipe.data.crops
    return "\n".join(
        filter(
            None,
            (
                what,
                others,
                beside,
                reached,
                few if is_few else "",
                early and f"it ends {early}",
            ),
        )
    )
