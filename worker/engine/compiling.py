"""Makes the models ready, one after the other, while the engine already draws from those that are.

The drawing loops of a kind of network that were not built ahead of time (model_core/levels.py) are compiled
before its first image, which takes a processor about half a minute. That is done once, by other processes, in two parts
at a time; the engine's takes the code from disk in a moment.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path

import structlog

from model_core import load_model
from model_core.compiled import KEEP
from worker.engine.examiner import BACKGROUND, begin
from worker.engine.model_pool import ModelPool, SlotPlan
from worker.engine.refusals import note_refused

PARTS = (ModelPool.draw_rows, ModelPool.take_given_rows)
"""The parts of what a kind of network compiles; they take about as long as each other."""

LIMIT_S = 900.0
"""Seconds for a part; as long as a model may take to load."""


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
    for, then those whose loops are on disk, those that are known good, and those with the smallest images. places:
    their directories. usable: the processors on which missing loops are compiled; any when empty."""
    names = sorted(
        pool.names(),
        key=lambda name: (
            pool.is_cold(name),
            name not in known,
            pool.values_of(name),
            name,
        ),
    )
    missing = {
        pool.loops(name): name
        for name in reversed(names)
        if KEEP and pool.is_cold(name)
    }
    if missing:
        structlog.get_logger("models").info(
            "compiling", loops=sorted(map(str, missing))
        )
    begun = get_context("spawn"), begin, (tuple(usable),)
    with (
        ProcessPoolExecutor(len(PARTS), *begun)
        if missing
        else nullcontext() as compilers
    ):
        compiled: dict[str | None, list[Future[None]]] = {}
        for name, coming in _in_turn(pool, names):
            for loops in _next_missing(pool, (name, *coming), missing):
                if compilers and loops not in compiled:
                    compiled[loops] = _submit(
                        compilers,
                        places[missing[loops]],
                        missing[loops],
                        behind=bool(compiled),
                    )
            _wait(compiled.get(pool.loops(name), ()))
            _make_one_ready(pool, name, tell, refuse, measure)


def _in_turn(pool: ModelPool, names: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Each name with those that come after it; those that jobs wait for by then come first."""
    left = list(names)
    while left:
        left.sort(key=lambda name: name not in pool.wanted)
        yield left.pop(0), left


def _next_missing(
    pool: ModelPool, names: Iterable[str], missing: Collection[str | None]
) -> list[str | None]:
    """The first two loops that these models lack: while some are waited for, others are compiled."""
    return list(
        dict.fromkeys(loops for name in names if (loops := pool.loops(name)) in missing)
    )[:2]


def _make_one_ready(
    pool: ModelPool,
    name: str,
    tell: Callable[[str], None],
    refuse: Callable[[str, str], None],
    measure: Callable[[str], None],
) -> None:
    try:
        measure(name)
        pool.warm_up(name)
    except (
        Exception
    ) as error:  # the edge to whoever made the model: the others are made ready
        pool.remove(name)
        refuse(name, note_refused(name, error))
        return
    tell(name)
    structlog.get_logger("models").info("model_ready", model=name)


def _submit(
    compilers: ProcessPoolExecutor, place: Path, name: str, behind: bool
) -> list["Future[None]"]:
    try:
        return [
            compilers.submit(_compile, place, name, part, behind)
            for part in range(len(PARTS))
        ]
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


def _compile(place: Path, name: str, part: int, behind: bool) -> None:
    """One of PARTS, in a compiler; behind: a model is ready already."""
    if behind:
        os.setpriority(os.PRIO_PROCESS, 0, BACKGROUND)
    model = load_model(place)
    PARTS[part](ModelPool({name: model}, SlotPlan(1, 0, slot_memory_mib=2**20)), name)
