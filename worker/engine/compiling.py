"""Makes the models ready, one after the other, while the engine already draws from those that are.

The drawing loops of a kind of network that are not on disk yet take a processor about half a minute. They are compiled
once, by other processes, which need no torch (model_core/compiled/ahead.py), two functions of a kind at a time; the
engine's process takes the code from disk in a moment. A model draws as soon as these are there. The loops that score
are compiled after all models draw.
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
from worker.contract.cards import FIRST
from worker.engine.examiner import BACKGROUND, CLOCK_PER_PROCESSOR, begin
from worker.engine.model_pool import ModelPool, SlotPlan
from worker.engine.refusals import note_refused

LIMIT_S = 900.0 * CLOCK_PER_PROCESSOR
"""Seconds by the clock for a function: as long as a model may take to load, on a machine
that is busy with something else."""


def make_ready(
    pool: ModelPool,
    places: Mapping[str, Path],
    usable: Collection[int],
    tell: Callable[[str], None],
    refuse: Callable[[str, str], None] = lambda name, reason: None,
    measure: Callable[[str], None] = lambda name: None,
    known: Collection[str] = (),
) -> None:
    """Measure and warm up every model, and `tell` its name, or `refuse` it with the reason: those first that jobs wait
    for, then those whose loops are on disk, FIRST, those that are known good, and those with the smallest images.
    places: their directories. usable: the processors on which missing loops are compiled; any when empty."""
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
    without_scores: dict[str | None, list[str]] = {}
    if missing:
        structlog.get_logger("models").info(
            "compiling", loops=sorted(map(str, missing))
        )
    begun = get_context("spawn"), begin, (tuple(usable),)
    with (
        ProcessPoolExecutor(len(FUNCTIONS), *begun)
        if missing
        else nullcontext() as compilers
    ):
        compiled: dict[str | None, list[Future[float]]] = {}
        for name, coming in _in_turn(pool, names):
            for loops in _next_missing(pool, (name, *coming), missing):
                if compilers and loops not in compiled:
                    compiled[loops] = _submit(compilers, loops, behind=bool(compiled))
            began = time.monotonic()
            _wait(compiled.get(pool.loops(name), ()))
            compiling_s = time.monotonic() - began
            place = places.get(name, Path(name))
            loops = pool.loops(name)
            is_cold = loops in missing
            warm_up = pool.warm_up_drawing if is_cold else pool.warm_up
            _make_one_ready(
                pool, name, place, warm_up, tell, refuse, measure, compiling_s
            )
            if is_cold:
                without_scores.setdefault(loops, []).append(name)
        if compilers:
            _make_scoring_ready(compilers, pool, places, without_scores)


def _in_turn(pool: ModelPool, names: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Each name with those that come after it; those that jobs wait for by then come first."""
    left = list(names)
    while left:
        left.sort(key=lambda name: name not in pool.wanted)
        yield left.pop(0), left


def _next_missing(
    pool: ModelPool, names: Iterable[str], missing: Collection[str]
) -> list[str]:
    """Return the first two loops that these models lack: while some are waited for,
    others are compiled."""
    needed = (pool.loops(name) for name in names)
    lacking = [loops for loops in needed if loops is not None and loops in missing]
    return list(dict.fromkeys(lacking))[:2]


def _make_one_ready(
    pool: ModelPool,
    name: str,
    place: Path,
    warm_up: Callable[[str], None],
    tell: Callable[[str], None],
    refuse: Callable[[str, str], None],
    measure: Callable[[str], None],
    compiling_s: float,
) -> None:
    """compiling_s: how long the model has waited for its loops; only the log says it."""
    began = time.monotonic()
    try:
        measure(name)
        measured = time.monotonic()
        warm_up(name)
    except (
        Exception
    ) as error:  # the edge to whoever made the model: the others are made ready
        pool.remove(name)
        refuse(name, note_refused(name, error, place))
        return
    tell(name)
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
    """Compile what scores, of each kind of network, and let each model score once. A
    score that is asked for before then compiles in the engine's process."""
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
        except Exception as error:  # the edge to whoever made the model: it draws
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


def _compile_scoring(place: Path, name: str) -> float:
    """Compile the loops that score with a model's kind of network, in a compiler. They
    are called with tensors, so this loads the model, and torch. Return the seconds of a
    processor that this took."""
    before_s = time.process_time()
    os.setpriority(os.PRIO_PROCESS, 0, BACKGROUND)
    plan = SlotPlan(1, 0, slot_memory_mib=2**20)
    ModelPool({name: load_model(place)}, plan).score_blank(name)
    return time.process_time() - before_s
