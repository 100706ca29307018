"""`pixelrnn train FOLDER`: from pictures to a model that can be served, and a look at
what it draws."""

import json
import math
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from model_core.cli.options import say
from model_core.cli.terminal import show
from model_core.data.survey import ARRAYS
from model_core.errors import ConfigError
from model_core.models_directory import check_name
from model_core.training import ahead
from model_core.training.checkpoint import read_facts
from model_core.training.files import RunPaths, locked_run
from model_core.training.launch import train_with
from model_core.training.mirrors import publish_mirrored, report
from model_core.training.process_count import limits_of_machine, processes_for
from model_core.training.publish import publish
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest, RunResult, expect_new
from model_core.training.teaching import Lesson, Update, lesson, png_bits_of, warning_of

_MINUTES = 5.0
"""Minutes of a training on pictures if the user names none."""
_SHOWN_SCALE = 2


def are_pictures(path: Path) -> bool:
    """Return True if `pixelrnn train` learns from this path without a recipe: a folder,
    or a .npy or .npz file."""
    return path.is_dir() or (path.suffix in ARRAYS and path.is_file())


def train_pictures(
    path: Path,
    minutes: float | None,
    runs_dir: Path,
    name: str | None,
    models_dir: Path,
    changes: Sequence[str],
    resume: bool,
    processes: int | None = None,
    mirrors: bool = True,
    publish_anyway: bool = False,
) -> dict[str, Any]:
    """Train on pictures for some minutes, publish the best model unless it is of little
    use, and show what it draws. Return the facts of the run as JSON values: those of
    RunResult.to_dict, warning, published and mirrors, and, for a new run,
    guessing_bits_per_dim and png_bits_per_dim.

    path: a folder of pictures, or a file of arrays.
    minutes: of training, counted from the first update; None: 5, or those of the run
        that is resumed. Other minutes for a resumed run raise ConfigError.
    runs_dir: the run is RUNS_DIR/NAME.
    name: of run and model; None: one made from the name of the path.
    models_dir: where the model is published.
    changes: of the recipe, such as "training.batch=4".
    resume: continue the run that is there, on its own pictures. `changes` apply to its
        recipe.
    processes: number of processes; None: as many as make it faster on this machine.
    mirrors: try the model as a mixture with its mirror images.
    publish_anyway: publish the model also if it is of little use.

    Raises ConfigError, DataError or ModelError if that cannot be done.
    """
    name = name or _model_name(path)
    check_name(name)
    directory = runs_dir / name
    with locked_run(directory):
        recipe = _resumed(directory, changes) if resume else None
        minutes = _minutes(minutes, directory if resume else None)
        facts: dict[str, Any] = {}
        plan: Lesson | None = None
        if recipe is None:
            expect_new(directory)
            plan = lesson(
                path,
                minutes,
                directory,
                tuple(changes),
                say=say,
                is_hasty=True,
                limits=limits_of_machine(processes),
            )
            say(plan.beforehand)
            recipe = plan.recipe
            facts = {
                "guessing_bits_per_dim": plan.guessing_bits,
                "png_bits_per_dim": plan.png_bits,
            }
        other_update = None if plan is None else plan.other_update
        words = [word for change in changes for word in ("--set", change)]
        if processes is not None:
            words += ["--processes", str(processes)]
        command = shlex.join(
            [
                "pixelrnn",
                "train",
                path.resolve().name,
                "--minutes",
                f"{minutes:g}",
                *words,
            ]
        )
        request = RunRequest(recipe, directory, resume, command=command)
        count = processes_for(request, processes) if plan is None else plan.processes
        if processes is not None and count < processes:
            why = (
                "one for each share of this run"
                if recipe.training.device == "cpu"
                else f"the device is {recipe.training.device}"
            )
            say(f"{count} of {processes} processes train: {why}")
        with _compiling_for_later(other_update):
            result = train_with(request, count, say=say)
    warning = _warning(result, recipe)
    has_best = result.finished and result.best_epoch > 0
    published = has_best and (publish_anyway or not warning)
    tried: list[dict[str, Any]] = []
    if published:
        publish(RunPaths(directory).best, models_dir, name=name)
        found = None
        if mirrors:
            found = publish_mirrored(
                models_dir / name, recipe, directory, result.iteration
            )
        if found is not None:
            say(report(found))
            tried = found.to_list()
    _show(directory / "samples")
    if published or not has_best:
        say(_ended(result, models_dir / name, warning))
    else:
        more = ["pixelrnn", "train", str(path), "--minutes", f"{2 * minutes:g}"]
        more += ["--name", f"{name}-more", "--set", f"training.start={directory}"]
        say(
            f"not published: {warning}. `{shlex.join(more)}` goes on with it; "
            "--publish-anyway publishes it as it is"
        )
    return {
        **result.to_dict(),
        **facts,
        "warning": warning,
        "published": published,
        "mirrors": tried,
    }


@contextmanager
def _compiling_for_later(update: Update | None) -> Iterator[None]:
    """Context manager that compiles an update in the other precision meanwhile, with
    the time that the training leaves of the CPU, so that the next training can
    use the faster one."""
    if update is None:
        yield
        return
    with ahead.compiling(*update, niceness=ahead.MOST_NICENESS) as processes:
        yield
        if all(process.poll() == 0 for process in processes):
            ahead.note_compiled(*update)


def _model_name(path: Path) -> str:
    """Return a name that a model can have, made from the pictures' own."""
    name = re.sub(r"[^a-z0-9._-]+", "-", path.resolve().stem.lower()).strip("-._")
    return name[:64] or "my-pictures"


def _resumed(directory: Path, changes: Sequence[str]) -> Recipe:
    """Return the recipe that the run has followed so far. Raises ConfigError if there
    is none."""
    place = directory / "recipe.json"
    try:
        return Recipe.from_tree(
            json.loads(place.read_text(encoding="utf-8")), changes, str(place)
        )
    except (OSError, ValueError):
        raise ConfigError(
            f"nothing to resume: there is no recipe in {directory}"
        ) from None


def _minutes(asked: float | None, resumed: Path | None) -> float:
    """Return how many minutes to train.

    asked: what the user named, or None.
    resumed: the directory of the run to continue, which was planned for a number of
        minutes; None for a new run, for which `asked` counts, or 5 if it is None.

    Raises ConfigError if `asked` differs from the run's plan, or if the run has no
    checkpoint or is no training on pictures.
    """
    if resumed is None:
        return _MINUTES if asked is None else asked
    last = RunPaths(resumed).last
    if not last.exists():
        raise ConfigError(f"nothing to resume: there is no {last}")
    words = shlex.split(read_facts(last)["command"])
    if "--minutes" not in words:
        raise ConfigError(
            f"{resumed} is no training on pictures: resume it by its recipe"
        )
    planned = float(words[words.index("--minutes") + 1])
    if asked is not None and asked != planned:
        raise ConfigError(
            f"the run was planned for {planned:g} minutes: it cannot go on with {asked:g}"
        )
    return planned


def _warning(result: RunResult, recipe: Recipe) -> str:
    """Return why the model is of little use; empty if there is no reason, or if it is
    not finished."""
    if not result.finished or result.best_nats is None:
        return ""
    bits = result.best_nats / result.dimensions / math.log(2)
    guessing = math.log2(recipe.network.config().values)
    png = png_bits_of(recipe, result.directory)
    return warning_of(result.iteration, bits, guessing, png, "add --minutes")


def _ended(result: RunResult, model: Path, warning: str) -> str:
    if not result.finished:
        run = shlex.quote(str(result.directory))
        return (
            f"stopped at update {result.iteration}, saved; the same command with "
            f"--resume goes on, and `pixelrnn publish {run}` publishes the best so far"
        )
    if not result.best_epoch or result.best_nats is None:
        return "no round was better than the model that it began with: take more pictures, or other ones"
    score = _score(result, result.best_nats)
    serve = shlex.join(["pixelrnn", "up", "--models-dir", str(model.parent)])
    lines = [
        f"warning: {warning}" if warning else "",
        f"the best was round {result.best_epoch} of {result.epochs}, {score}: {model}; `{serve}` serves it",
    ]
    return "\n".join(filter(None, lines))


def _score(result: RunResult, nats: float) -> str:
    """Return the score with its standard error, and the number of pictures over which
    it is the mean."""
    count = result.valid_images
    of = "1 picture" if count == 1 else f"{count} pictures"
    error = ""
    if result.best_error is not None:
        bits = result.best_error / result.dimensions / math.log(2)
        error = f" +- {bits:.3f}"
    bits = nats / result.dimensions / math.log(2)
    return f"{nats:.2f} nats ({bits:.3f}{error} bits/dim) of {of} held back"


def _show(samples: Path) -> None:
    grids = sorted(samples.glob("*.png"))
    if not grids:
        return
    before = samples / "epoch-0000.png"
    if before in grids:
        say(f"what the model drew that it began with: {before}")
    with Image.open(grids[-1]) as grid:
        size = grid.width * _SHOWN_SCALE, grid.height * _SHOWN_SCALE
        show(grid.convert("RGB").resize(size, Image.Resampling.NEAREST), sys.stderr)
    say(f"what it draws: {grids[-1]}")
