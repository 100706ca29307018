"""Makes the models ready, one after the other, while the engine process already draws
from those that are.

The drawing loops of a kind of network that are not on disk yet take a CPU core about
half a minute. They are compiled once, by other processes, which need no torch
(model_core/compiled/ahead.py), on as many cores as there are and memory allows; the
engine process takes the code from disk in a moment. A model draws as soon as these are
there. The loops that score are compiled after all models draw.
"""

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import structlog

from model_core import load_model
from model_core.compiled import KEEP
from model_core.compiled.ahead import FUNCTIONS, compile_loop
from model_core.processors import available
from worker.contract.cards import FIRST
from worker.engine.examiner import BACKGROUND, CLOCK_PER_PROCESSOR, begin
from worker.engine.model_pool import ModelPool
from worker.engine.refusals import log_refusal
from worker.engine.slot_plan import SlotPlan
from worker.process import machine_memory

LIMIT_S = 900.0 * CLOCK_PER_PROCESSOR
"""Seconds of wall-clock time in which one function must be compiled: as long as a model
may take to load, on a busy machine."""


COMPILER_BYTES = 300 * 2**20
"""Bytes planned for one compiling process."""
# Measured peaks: 235 to 262 MiB, depending on kind and function (`getrusage` after
# `compile_loop` in a process of its own, numba 0.68.1).
PART_FOR_COMPILERS = 4
"""Compiling processes may use one in PART_FOR_COMPILERS bytes of the memory."""


def compilers_at_once(missing: int, usable_processors: int, memory: int) -> int:
    """Return how many processes compile at the same time.

    missing: number of kinds of network whose loops are not compiled yet.
    memory: bytes of memory of the machine or the container.
    """
    # At least as many as a kind has functions, so that its models wait for the longer of
    # these and not for both.
    most = min(usable_processors, memory // PART_FOR_COMPILERS // COMPILER_BYTES)
    return min(missing * len(FUNCTIONS), max(len(FUNCTIONS), most))


def make_ready(
    pool: ModelPool,
    places: Mapping[str, Path],
    usable: Collection[int],
    report: Callable[[str], None],
    refuse: Callable[[str, str], None] = lambda name, reason: None,
    measure: Callable[[str], None] = lambda name: None,
    known: Collection[str] = (),
) -> None:
    """Measure and warm up every model of the pool, and report each one.

    Models that jobs wait for come first. The others are sorted: loops on disk before
    loops to be compiled; then FIRST; then known models; then the smallest images.

    places: the models' directories.
    usable: CPU cores on which missing loops are compiled; any if empty.
    report(name): called for each ready model.
    refuse(name, reason): called for a bad model, which is removed from the pool.
    measure(name): raises an error for a bad model.
    known: names of models that are known good.

    A failed compiler is only logged: the engine process then compiles for itself.
    """
    names = sorted(
        pool.names(),
        key=lambda name: (
            pool.is_cold(name),
            name != FIRST,
            name not in known,
            pool.values_of(name),
            name,
        ),
    )
    cold = [name for name in names if KEEP and pool.is_cold(name)]
    missing = {loops for name in cold if (loops := pool.loops(name)) is not None}
    # Also of kinds that draw: an earlier start may have ended before it got so far.
    unscored = {name for name in names if KEEP and pool.has_cold_scores(name)}
    unscored.update(cold)
    without_scores: dict[str | None, list[str]] = {}
    if missing:
        structlog.get_logger("models").info(
            "compiling", loops=sorted(map(str, missing))
        )
    begun = get_context("spawn"), begin, (tuple(usable),)
    processes = compilers_at_once(
        len(missing) or 1, available(len(usable) or None), machine_memory.usable()
    )
    # While the loops of one kind are waited for, at least those of one more are compiled.
    kinds_at_once = max(2, processes // len(FUNCTIONS))
    with (
        ProcessPoolExecutor(processes, *begun)
        if unscored
        else nullcontext() as compilers
    ):
        compiled: dict[str | None, list[Future[float]]] = {}
        for name, coming in _in_turn(pool, names):
            for loops in _next_missing(pool, (name, *coming), missing, kinds_at_once):
                if compilers and loops not in compiled:
                    compiled[loops] = _submit(compilers, loops, behind=bool(compiled))
            began = time.monotonic()
            _wait(compiled.get(pool.loops(name), ()))
            compiling_s = time.monotonic() - began
            place = places.get(name, Path(name))
            loops = pool.loops(name)
            warm_up = pool.warm_up_drawing if name in unscored else pool.warm_up
            _make_one_ready(
                pool, name, place, warm_up, report, refuse, measure, compiling_s
            )
            if name in unscored:
                without_scores.setdefault(loops, []).append(name)
        if compilers:
            _make_scoring_ready(compilers, pool, places, without_scores)


def _in_turn(pool: ModelPool, names: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each name with the names that follow it; those that jobs wait for by then
    come first."""
    left = list(names)
    while left:
        left.sort(key=lambda name: name not in pool.wanted)
        yield left.pop(0), left


def _next_missing(
    pool: ModelPool, names: Iterable[str], missing: Collection[str], most: int
) -> list[str]:
    """Return the first loops that these models lack, at most so many."""
    needed = (pool.loops(name) for name in names)
    lacking = [loops for loops in needed if loops is not None and loops in missing]
    return list(dict.fromkeys(lacking))[:most]


def _make_one_ready(
    pool: ModelPool,
    name: str,
    place: Path,
    warm_up: Callable[[str], None],
    report: Callable[[str], None],
    refuse: Callable[[str, str], None],
    measure: Callable[[str], None],
    compiling_s: float,
) -> None:
    """Measure and warm up one model.

    compiling_s: how long it has waited for its loops, for the log.
    """
    began = time.monotonic()
    try:
        measure(name)
        measured = time.monotonic()
        warm_up(name)
    except Exception as error:
        # Any user may have made the model; the others are made ready all the same.
        pool.remove(name)
        refuse(name, log_refusal(name, error, place))
        return
    report(name)
    structlog.get_logger("models").info(
        "model_ready",
        model=name,
        compiling_s=round(compiling_s, 2),
        examining_s=round(measured - began, 2),
        loading_s=round(time.monotonic() - measured, 2),
    )


def _make_scoring_ready(
    compilers: ProcessPoolExecutor,
    pool: ModelPool,
    places: Mapping[str, Path],
    names: Mapping[str | None, list[str]],
) -> None:
    """Compile the loops that score, for each kind of network, and let each model score
    once."""
    still_there = [
        [name for name in of_kind if name in pool.names()] for of_kind in names.values()
    ]
    for of_kind in filter(None, still_there):
        try:
            first = of_kind[0]
            part = compilers.submit(_compile_scoring, places[first], first)
            part.add_done_callback(partial(_note_compiled, f"scoring of {first}"))
            _wait([part])
            for name in of_kind:
                pool.score_blank(name)
        except Exception as error:  # the model draws all the same
            _warn(error)


def _submit(
    compilers: ProcessPoolExecutor, kind: str, behind: bool
) -> list["Future[float]"]:
    niceness = BACKGROUND if behind else 0
    try:
        parts = [
            compilers.submit(compile_loop, kind, function, niceness)
            for function in FUNCTIONS
        ]
        for part in parts:
            part.add_done_callback(partial(_note_compiled, kind))
        return parts
    except (BrokenProcessPool, OSError) as error:
        _warn(error)
        return []


def _note_compiled(kind: str, part: "Future[float]") -> None:
    if not part.cancelled() and part.exception() is None:
        structlog.get_logger("models").info(
            "compiled", loops=kind, processor_s=round(part.result(), 2)
        )


def _wait(parts: Iterable["Future[float]"]) -> None:
    """Wait for each part, and log those whose compiler failed or hangs."""
    for part in parts:
        try:
            error = part.exception(LIMIT_S)
        except TimeoutError as late:
            error = late
        if error:
            _warn(error)


def _warn(error: BaseException) -> None:
    structlog.get_logger("models").warning("compiler_failed", error=repr(error))


def _compile_scoring(place: Path, name: str) -> float:
    """Compile the loops that score with a model's kind of network, and return the CPU
    seconds used."""
    before_s = time.process_time()
    os.setpriority(os.PRIO_PROCESS, 0, BACKGROUND)
    # The functions are called with tensors, which takes torch and a model.
    plan = SlotPlan(1, 0, slot_memory_mib=2**20)
    ModelPool({name: load_model(place)}, plan).score_blank(name)
    return time.process_time() - before_s
