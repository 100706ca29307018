"""A sitting: one stack on an empty directory, a load, and one fault after the other, some before the last is over."""

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import psutil

from pixelrnn.client import patience
from tests.storm.counts import Books, Counts, Fault
from tests.storm.faults import KINDS, Kind
from tests.storm.load import Load, Mix
from tests.storm.telling import listening
from tests.storm.world import NothingToStrikeError, World

AT_ONCE = 3
"""Faults of processes that are under way together; and as many of the wire."""
LONGEST_GAP_S = 1.0
ENOUGH = 40
"""Faults of a kind; one that has fewer comes more often."""
CALM_AFTER_S = 30.0
"""Nothing is killed or stopped while a job is under way for longer: it shall end in spite of faults, but needs a moment
to do so."""


@dataclass
class Storm:
    """What is the same for all sittings. cores: how many processors it may keep busy, on
    average. threads: numbers of drawing threads, of which each sitting has one."""

    counts: Counts
    models: Path
    cores: float = 1.0
    rng: random.Random = field(default_factory=random.Random)
    mix: Mix = field(default_factory=Mix)
    threads: Sequence[int] = (1, 4)

    def say(self, line: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)

    def exited(self, what: str) -> None:
        self.counts.unexpected_exits += 1
        self.say(f"ended though nobody had touched it: {what}")


@patch.object(
    patience, "_LONGEST_PAUSE_S", 2.0
)  # not half a minute: the next fault is not long in coming
async def sit(
    storm: Storm,
    place: Path,
    apart: bool,
    faults: Iterable[Kind | None],
    is_over: Callable[[], bool],
) -> None:
    """Until the faults are used up, or it is over. None among them: any that is possible."""
    books = Books(storm.counts)
    with listening(place, random.Random(storm.rng.random())) as listener:
        threads = storm.rng.choice(storm.threads)
        storm.say(f"{place.name}: drawing threads of each worker: {threads}")
        settings = {**listener.settings, "PIXELRNN_DRAW_THREADS": str(threads)}
        async with (
            World(place, storm.models, apart, storm.exited, settings) as world,
            Load(
                world.url,
                world.keys.owners,
                books,
                storm.rng,
                storm.say,
                storm.mix,
                listener,
            ) as load,
        ):
            await _sit(storm, world, load, books, faults, is_over)


async def _sit(
    storm: Storm,
    world: World,
    load: Load,
    books: Books,
    faults: Iterable[Kind | None],
    is_over: Callable[[], bool],
) -> None:
    await load.learn()
    world.models.exchange()
    await load.learn_again()
    books.open()
    blowing = asyncio.create_task(load.blow())
    try:
        await _blow(storm, world, books, faults, is_over)
    finally:
        blowing.cancel()
    await load.rest()
    books.settle()


def any_fault() -> Iterator[None]:
    while True:
        yield None


async def _blow(
    storm: Storm,
    world: World,
    books: Books,
    faults: Iterable[Kind | None],
    is_over: Callable[[], bool],
) -> None:
    meter, rng, weights = Meter(), storm.rng, shortfalls(storm.counts)
    under_way: dict[asyncio.Task[None], Kind] = {}
    for wanted in faults:
        kind = None
        while kind is None and not is_over():
            chosen = _one_of([wanted] if wanted else KINDS, weights, world, rng)
            kind = (
                chosen
                if chosen and _may_come(chosen, world, books, under_way)
                else None
            )
            if kind is not None:
                under_way[asyncio.create_task(_happen(kind, world, books, rng))] = kind
            await asyncio.sleep(rng.uniform(0, LONGEST_GAP_S))
            for task in [task for task in under_way if task.done()]:
                del under_way[task]
                await task  # raises what it raised
        await meter.rest(storm.cores, is_over)
        if is_over():
            break
    await asyncio.gather(*under_way)


def shortfalls(counts: Counts) -> dict[str, int]:
    """How many of each kind are missing, and at least one. Counts before a sitting alone decide, so that its seed and
    they repeat its choices."""
    return {
        kind.name: max(1, ENOUGH - counts.faults.get(kind.name, Counter())["faults"])
        for kind in KINDS
    }


def _one_of(
    kinds: Iterable[Kind], weights: dict[str, int], world: World, rng: random.Random
) -> Kind | None:
    """A fault of those that fit such a world, if any."""
    fitting = [kind for kind in kinds if kind.fits(world)]
    return (
        rng.choices(fitting, [weights[kind.name] for kind in fitting])[0]
        if fitting
        else None
    )


def _may_come(
    kind: Kind, world: World, books: Books, under_way: dict[asyncio.Task[None], Kind]
) -> bool:
    """True where it may come now. Else there is none for the moment: were another one taken, there would be more and
    more of those that always may, the wire's, under which nothing gets done."""
    if kind.parts and books.oldest_s() > CALM_AFTER_S:
        return False
    busy = {part for other in under_way.values() for part in other.parts}
    alike = sum(bool(other.parts) == bool(kind.parts) for other in under_way.values())
    return alike < AT_ONCE and kind.is_possible(
        world, busy
    )  # a process takes long to be back


async def _happen(kind: Kind, world: World, books: Books, rng: random.Random) -> None:
    fault = Fault(kind.name, kind.forgets, kind.turns_back)
    books.fault(fault)
    try:
        await kind.act(world, rng)
    except NothingToStrikeError:
        books.drop(fault)
    else:
        books.over(fault)


class Meter:
    """Processor seconds of this process and of all that it has started, as far as it has looked."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._seconds: dict[tuple[int, float], float] = {}
        self._before_s = self._look()

    def _look(self) -> float:
        me = psutil.Process()
        for process in [me, *me.children(recursive=True)]:
            with suppress(psutil.Error):
                times = process.cpu_times()
                self._seconds[process.pid, process.create_time()] = (
                    times.user + times.system
                )
        return sum(self._seconds.values())

    async def rest(self, cores: float, is_over: Callable[[], bool]) -> None:
        """Until no more than so many processors were kept busy, on average, or until it is over."""
        while not is_over():
            spent_s, passed_s = (
                self._look() - self._before_s,
                time.monotonic() - self._began,
            )
            if spent_s <= cores * passed_s:
                return
            await asyncio.sleep(min(2.0, spent_s / cores - passed_s))
