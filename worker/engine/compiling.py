"""Makes the models ready, one after the other, while the engine already draws from those that are.

The drawing loops of a kind of network that were not built ahead of time (model_core/levels.py) are compiled
before its first image, which takes a processor about half a minute. That is done once, by other processes, in two parts
at a time; the engine's takes the code from disk in a moment.
"""

import os
import signal
import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path

import structlog

from model_core import load_model
from model_core.compiled import KEEP, note_kept
from worker.engine.model_pool import ModelPool, SlotPlan
from worker.process import processors

PARTS = (ModelPool.draw_rows, ModelPool.take_given_rows)
"""The parts of what a kind of network compiles; they take about as long as each other."""

LIMIT_S = 900.0
"""Seconds for a part; as long as a model may take to load."""

BACKGROUND = 10
"""How nice the compilers are once a model is ready: the engine goes first."""


def make_ready(pool: ModelPool, models_dir: Path | None, usable: Collection[int], tell: Callable[[str], None]) -> None:
    """Warm up every model, and `tell` its name: those first whose loops are on disk, then those with the smallest
    images. usable: the processors on which missing loops are compiled; any when empty."""
    log = structlog.get_logger("models")
    names = sorted(pool.names(), key=lambda name: (pool.is_cold(name), pool.values_of(name), name))
    missing = {pool.loops(name): name for name in reversed(names) if KEEP and pool.is_cold(name)}
    if not missing:
        for name in names:
            _warm_up(pool, name, tell)
        return
    log.info("compiling", loops=sorted(map(str, missing)))
    with ProcessPoolExecutor(len(PARTS), get_context("spawn"), begin, (tuple(usable),)) as compilers:
        first = [name for name in names if name in missing.values()]
        compiled = {pool.loops(name): _submit(compilers, models_dir, name, name != names[0]) for name in first}
        for name in names:
            _wait(compiled.get(pool.loops(name), ()))
            _warm_up(pool, name, tell)


def _warm_up(pool: ModelPool, name: str, tell: Callable[[str], None]) -> None:
    was_cold, loops = pool.is_cold(name), pool.loops(name)
    pool.warm_up(name)
    if was_cold and loops:
        note_kept(loops)
    tell(name)
    structlog.get_logger("models").info("model_ready", model=name)


def _submit(compilers: ProcessPoolExecutor, models_dir: Path | None, name: str, behind: bool) -> list["Future[None]"]:
    try:
        return [compilers.submit(_compile, models_dir, name, part, behind) for part in range(len(PARTS))]
    except (BrokenProcessPool, OSError) as error:
        _warn(error)
        return []


def _wait(parts: Iterable["Future[None]"]) -> None:
    """Wait for each part. If its compiler failed, killed for want of memory for example, or hangs, the engine's process
    compiles for itself."""
    for part in parts:
        try:
            error = part.exception(LIMIT_S)
        except TimeoutError as late:
            error = late
        if error:
            _warn(error)


def _warn(error: BaseException) -> None:
    structlog.get_logger("models").warning("compiler_failed", error=repr(error))


def begin(usable: Collection[int]) -> None:
    """Prepare a compiler's process: Ctrl-C is the worker's matter, and without the engine's process there is nothing to
    do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    processors.keep_to(usable)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(0)


def _compile(models_dir: Path | None, name: str, part: int, behind: bool) -> None:
    """One of PARTS, in a compiler; behind: a model is ready already."""
    if behind:
        os.setpriority(os.PRIO_PROCESS, 0, BACKGROUND)
    model = load_model(name, models_dir=models_dir)
    PARTS[part](ModelPool({name: model}, SlotPlan(1, 0, slot_memory_mib=2**20)), name)
