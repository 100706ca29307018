"""The process of one training, which a trainer starts (teaching_start.py).

It prints JSON, one object on each line: {"progress": ..., "grid": path, "trained":
updates and images since the last line}, and at the end {"done": ...} or {"failed":
reason}. Everything that it needs to continue after its death is in the directory of its
job: the plan, whose number of updates is fixed once, and the checkpoint.
"""

import fcntl
import json
import os
import shutil
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from functools import partial
from math import log
from pathlib import Path
from typing import Any, TextIO

from model_core import shipped
from model_core.card import Card
from model_core.data.picture_files import unpacked_size
from model_core.data.picture_names import find_pictures
from model_core.data_memory import data_bytes
from model_core.errors import DataError, ModelError, PixelRNNError
from model_core.models_directory import (
    CARD,
    RECORDS,
    default_models_dir,
    weights_in,
)
from model_core.regular_files import open_regular
from model_core.training.disk import DiskError
from model_core.training.display import Display
from model_core.training.launch import train_with
from model_core.training.memory import OutOfMemoryError
from model_core.training.mirrors import publish_mirrored
from model_core.training.process_count import (
    ProcessLimits,
    processes_for,
    spare_processors,
)
from model_core.training.publish import publish
from model_core.training.ranks import LostProcessError
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest
from model_core.training.teaching import lesson, warning_of
from worker.contract import keys
from worker.contract.added import JobFiles, is_seen_by, models_in
from worker.contract.kinds.train import TrainOptions
from worker.engine.examiner import bound_memory
from worker.engine.failures import is_out_of_memory
from worker.process.crash import EXIT_CRASHED, EXIT_STOPPED
from worker.process.machine_memory import usable
from worker.settings import Settings

_REPORT_S = 1.0
"""Seconds between two reports, at least."""
_GRID_S = 10.0
"""Seconds between two grids of samples, at least."""
_RECENT = 30
"""Number of reports over which the pace is averaged."""
_MIB = 2**20
_NO_MEMORY = (
    "This needs more memory than a training may have on this machine: expected fewer"
    " or smaller pictures, or a smaller model."
)
_LEAST_MEMORY = 1024 * _MIB
"""Least bytes of memory that a training may have."""
_MEMORY_SHARE = 4
"""A training may have one part in so many of the machine's memory."""
_PICTURES_SHARE = 2
"""Crops keep whole pictures in memory, in one part in so many of what a training may
have; the network needs memory too."""


def _is_over(finish: Path, trainer: int) -> bool:
    """Return True if the training was asked to finish. End the process at once if its
    trainer has died: another one may have the job by now."""
    if os.getppid() != trainer:
        os._exit(1)
    return finish.exists()


class _Reports(Display):
    """Reports to the trainer instead of a terminal."""

    def __init__(
        self,
        out: TextIO,
        facts: dict[str, Any],
        recipe: Recipe,
        _: bool,
        iteration: int,
        total: int,
    ) -> None:
        super().__init__(False, iteration, total)
        self._out = out
        self._facts = facts
        self._batch = recipe.training.batch
        self._iteration = iteration
        self._total = total
        self._dimensions = recipe.network.config().dimensions
        self._counted = iteration
        self._valid: dict[str, Any] = {"nats": None, "bits_per_dim": None}
        self._grids = 0
        self._grid_at = 0.0
        self._pace: deque[tuple[float, int]] = deque(
            [(time.monotonic(), iteration)], _RECENT
        )
        self._report()

    def advance(self, iteration: int, nats: float) -> None:
        self._iteration = iteration
        if time.monotonic() >= self._pace[-1][0] + _REPORT_S:
            self._pace.append((time.monotonic(), self._iteration))
            self._report()

    def validated(self, nats: float, grid: Path | None) -> None:
        self._valid = {"nats": nats, "bits_per_dim": nats / self._dimensions / log(2)}
        is_due = grid is not None and time.monotonic() >= self._grid_at
        if is_due:
            self._grid_at = time.monotonic() + _GRID_S
            self._grids += 1
        self._report(str(grid) if is_due else None)

    def _report(self, grid: str | None = None) -> None:
        since, first = self._pace[0]
        # None until the first update: then no time can be estimated.
        rate = (self._iteration - first) / (time.monotonic() - since) or None
        share = self._iteration / self._total
        left = self._total - self._iteration
        progress = {
            "rows_done": 0,
            "rows_total": 0,
            "progress": share,
            "share": share,
            "grids": self._grids,
        }
        pace = {
            "images_per_s": rate and rate * self._batch,
            "minutes_left": rate and left / rate / 60,
        }
        updates = self._iteration - self._counted
        self._counted = self._iteration
        counts = updates, updates * self._batch
        trained = dict(zip(keys.TRAINED_FIELDS, counts, strict=True))
        report = {
            "progress": {**progress, **pace, **self._valid, **self._facts},
            "grid": grid,
            "trained": trained,
        }
        print(json.dumps(report), file=self._out, flush=True)


def main(
    out: TextIO, trainer: int, added: str, job_id: str, name: str, options: str
) -> None:
    """Train a model and publish it in the job's directory. Exits with EXIT_STOPPED if
    it was asked to stop.

    out: where lines for the trainer are printed, failures too.
    trainer: process id of the trainer.
    added: the directory of added models.
    job_id, name: the job and its model.
    options: TrainOptions as JSON.
    """
    files = JobFiles(Path(added), job_id, name)
    try:
        with (files.place / "lock").open("w") as lock:
            # The process of a trainer that died may not have noticed that yet.
            fcntl.flock(lock, fcntl.LOCK_EX)
            asked = TrainOptions.model_validate_json(options)
            result: dict[str, Any] = {"done": _train(files, asked, out, trainer)}
    except LostProcessError as error:
        # No last line: the trainer begins the training again, from its last checkpoint.
        print(error, file=sys.stderr, flush=True)
        sys.exit(EXIT_CRASHED)
    except DiskError:
        result = {"failed": "The server's disk is full, or cannot be written."}
    except (OutOfMemoryError, MemoryError):
        result = {"failed": _NO_MEMORY}
    except PixelRNNError as error:
        result = {"failed": _without_place(str(error), files.place)}
    except OSError as error:
        result = {"failed": f"The server's disk: {error.strerror or error}."}
    except Exception as error:
        # Any user may have sent the pictures; another attempt would end the same way.
        traceback.print_exc()
        fault = "This is a fault of the server, and was logged."
        result = {"failed": _NO_MEMORY if is_out_of_memory(error) else fault}
    print(json.dumps(result), file=out, flush=True)


def _without_place(message: str, place: Path) -> str:
    """Return a message for the client without the path of the job's directory."""
    # Recipes name the pictures by a resolved path.
    for each in (place.resolve(), place):
        message = message.replace(f"{each}/", "")
    return message


def _train(
    files: JobFiles, asked: TrainOptions, out: TextIO, trainer: int
) -> dict[str, Any] | None:
    """Train, and return the summary of the model that is published in the job's
    directory; None if nothing was learned."""
    is_begun = (files.run / "last.safetensors").exists()
    if asked.start and not is_begun:
        fetch_start(files, asked)
        # Recipe and card name the model; under that name, this directory has the copy.
        os.environ["PIXELRNN_MODELS_DIR"] = str(files.start)
    is_over = partial(_is_over, files.finish, trainer)
    prepare = partial(_report_preparing, out)
    limits = _limits(Settings())
    plan = _plan(files, asked, prepare, limits)
    recipe = Recipe.model_validate(plan["recipe"])
    facts = plan["told"]

    def display(*run: Any) -> Display:
        return _Reports(out, facts, recipe, *run)

    request = RunRequest(
        recipe,
        files.run,
        is_begun,
        command=f"pixelrnn train pictures --minutes {asked.minutes:g}",
        cache=files.cache,
    )
    # Plans of earlier versions say no bytes; their recipes have one share.
    most = limits.count_for(plan.get("process_bytes", 0))
    processes = processes_for(request, None, most)
    limits.divide_memory(processes)
    if is_begun:
        # A report of the start would show that nothing is done yet.
        result = train_with(request, processes, display, is_over)
    else:
        result = train_with(request, processes, display, is_over, prepare)
    limits.divide_memory(1)
    if not (result.finished or files.finish.exists()):
        sys.exit(EXIT_STOPPED)  # it was asked to stop, and continues another time
    if not files.best.exists() or result.best_nats is None:
        return None
    directory = publish(files.best, files.place / "model", name=files.name)
    mirrors = None
    if asked.mirrors:
        mirrors = publish_mirrored(
            directory, recipe, files.run, result.iteration, files.cache
        )
    card = Card.read(directory / CARD)
    early = (
        (plan["early"] and f"it ended {plan['early']}")
        if result.finished
        else "it was asked to finish"
    )
    per_bit = result.dimensions * log(2)
    nats = result.best_nats
    error = result.best_error
    if mirrors is not None and mirrors.published:
        nats = mirrors.nats
        error = mirrors.standard_error
    bits = nats / per_bit
    warning = warning_of(
        result.iteration, bits, facts["uniform_bits"], facts["png_bits"]
    )
    score = {
        "early": early,
        "nats": nats,
        "bits_per_dim": bits,
        "standard_error": error,
        "bits_standard_error": None if error is None else error / per_bit,
        "valid_images": result.valid_images,
        "warning": warning,
        "mirrors": [] if mirrors is None else mirrors.to_list(),
    }
    # An API that does not judge models cannot read the field.
    if asked.judged:
        score["published"] = not warning or asked.publish_anyway
    named = {
        "name": card.name,
        "digest": card.sha256,
        "identity": card.identity,
        "updates": result.iteration,
    }
    return {
        **named,
        **score,
        "uniform_bits": facts["uniform_bits"],
        "png_bits": facts["png_bits"],
    }


def _limits(settings: Settings) -> ProcessLimits:
    memory = memory_limit(settings.training_mib)
    held = data_bytes()

    def divide_memory(processes: int) -> None:
        # Other processes inherit the bound, and hold as much once they have started.
        bound_memory(memory // processes, held)

    most = len(settings.engine_cpus) or spare_processors()
    # What each has once it has started is not counted in that memory: all but the first
    # may have as much again.
    if held:
        most = min(most, 1 + usable() // _MEMORY_SHARE // held)
    return ProcessLimits(most, memory=memory, divide_memory=divide_memory)


def _report_preparing(out: TextIO, doing: str) -> None:
    unknown = (
        *("nats", "bits_per_dim", "uniform_bits", "png_bits"),
        *("images_per_s", "minutes_left", "width", "height", "colours"),
    )
    progress: dict[str, Any] = {
        **dict.fromkeys(("rows_done", "rows_total", "progress", "share", "grids"), 0),
        **dict.fromkeys(unknown),
        "told": doing,
    }
    print(
        json.dumps({"progress": progress, "grid": None, "trained": {}}),
        file=out,
        flush=True,
    )


def fetch_start(files: JobFiles, asked: TrainOptions) -> None:
    """Copy the model with which the training begins into the job's directory, once.
    Raises ModelError if it is no longer there."""
    assert asked.start is not None
    name = asked.start
    if files.start.exists():  # from an earlier life of this training
        return
    added = models_in(files.place.parents[1]) / name
    shipped_ones = [
        place
        for directory in (default_models_dir(), shipped.MODELS)
        for place in (directory / name, directory / RECORDS / name)
    ]
    # A model of the same name may belong to another owner.
    if asked.start_identity:
        wanted = [*shipped_ones, added]
    else:  # a job of an earlier version: it may use what its owner sees
        wanted = [*shipped_ones, *([added] if is_seen_by(added, asked.owner) else [])]
    draft = files.start.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)  # of an earlier life
    for source in wanted:
        if _copy_model(source, draft / name, asked.start_identity):
            draft.rename(files.start)
            return
        shutil.rmtree(draft, ignore_errors=True)
    raise ModelError(
        f"the model {name} to start from was deleted or exchanged, or is not yours: "
        "choose another start"
    )


def _copy_model(source: Path, target: Path, identity: str) -> bool:
    """Copy the model of this identity, default any; return False if there is none."""
    try:
        # The copied card has the digests of the weights, which are checked when they are
        # loaded, so an exchange meanwhile does no harm.
        _copy(source / CARD, target / CARD)
        if identity not in ("", Card.read(target / CARD).identity):
            return False
        for file in weights_in(source):
            _copy(file, target / file.relative_to(source))
    except (FileNotFoundError, ModelError):
        return False
    return True


def _copy(source: Path, target: Path) -> None:
    with open_regular(source) as original:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as copy:
            shutil.copyfileobj(original, copy)


def _plan(
    files: JobFiles,
    asked: TrainOptions,
    say: Callable[[str], None],
    limits: ProcessLimits,
) -> dict[str, Any]:
    """Return the recipe and what was found about the pictures: by an earlier process of
    this job, or now."""
    kept, pictures = files.place / "plan.json", files.place / "pictures"
    if kept.exists():
        return json.loads(kept.read_bytes())
    width, _, height = (asked.size or "").partition("x")
    changes = (
        (f"network.width={width}", f"network.height={height}") if asked.size else ()
    )
    changes += (f'training.start="{asked.start}"',) if asked.start else ()
    changes += ("data.crops=true",) if asked.crops else ()
    path = pictures if pictures.is_dir() else pictures.with_suffix(".npz")
    if asked.crops and pictures.is_dir():
        _expect_memory(pictures, asked)
    learned = partial(
        lesson,
        path,
        asked.minutes,
        files.run,
        channels=asked.channels,
        values=asked.values,
        cache=files.cache,
        say=say,
        limits=limits,
    )
    try:
        found = learned(changes)
    except ModelError:  # the weights that it would begin with are not here
        if asked.start:
            raise
        found = learned((*changes, "training.start="))
    facts = {
        "told": found.beforehand,
        "uniform_bits": found.guessing_bits,
        "png_bits": found.png_bits,
    }
    config = found.recipe.network.config()
    facts |= {"width": config.width, "height": config.height, "colours": found.colours}
    plan = {
        "recipe": found.recipe.model_dump(mode="json"),
        "told": facts,
        "early": found.early,
        "process_bytes": found.process_bytes,
    }
    kept.with_suffix(".draft").write_text(json.dumps(plan), encoding="utf-8")
    kept.with_suffix(".draft").replace(kept)
    return plan


def _expect_memory(pictures: Path, asked: TrainOptions) -> None:
    names = find_pictures(pictures)
    # The network of the model that it starts from may be one for colours.
    channels = 3 if asked.start else asked.channels
    size = unpacked_size(pictures, names, channels)
    most = memory_limit(Settings().training_mib) // _PICTURES_SHARE
    if size > most:
        raise DataError(
            f"too many pictures for this machine: {len(names)} have {size // _MIB} MiB,"
            f" unpacked, and crops may be of {most // _MIB} MiB here"
            " (PIXELRNN_TRAINING_MIB)"
        )


def memory_limit(training_mib: int) -> int:
    """Return the bytes that a training may have beside what its process has once
    everything is imported.

    training_mib: the setting in MiB; 0 for the default.
    """
    return training_mib * _MIB or max(_LEAST_MEMORY, usable() // _MEMORY_SHARE)
