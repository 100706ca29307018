"""Decides which CPU cores run which threads.

Only the thread of the engine process is always busy. A thread that takes its core for a
moment also evicts the contents of its caches.
"""

import contextlib
import os
import re
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

SMALL = 4
"""Most CPU cores of a machine on which some are reserved for engines; a larger machine
always has an idle one."""


class NoProcessorError(Exception):
    """None of the given CPU cores can be used here."""


def usable() -> list[int]:
    """Return the numbers of the CPU cores that this process may use, the most
    interrupted ones first; empty on systems other than Linux."""
    if sys.platform != "linux":
        return []
    interrupted = _interrupted(Path("/proc/stat").read_text())
    return sorted(
        os.sched_getaffinity(0),
        # These suit drawing least.
        key=lambda processor: (-interrupted.get(processor, 0), processor),
    )


def _interrupted(stat: str) -> dict[int, int]:
    """Return, for each CPU core, the clock ticks that it spent in interrupts: the sixth
    and seventh number of its line in /proc/stat."""
    lines = [line.split() for line in stat.splitlines() if re.match(r"cpu\d", line)]
    return {
        int(words[0].removeprefix("cpu")): int(words[6]) + int(words[7])
        for words in lines
    }


def engine_processors(
    available: Sequence[int], engines: int, threads: int
) -> list[tuple[int, ...]]:
    """Return the CPU cores that are reserved for each of `engines` engine processes,
    `threads` for each: the last ones of `available`. Empty tuples if the machine has
    more than SMALL CPU cores, or if none would be left for everything else."""
    count = len(available)
    if count > SMALL or count <= engines * threads:
        return [()] * engines
    return [
        tuple(available[count - (i + 1) * threads : count - i * threads])
        for i in range(engines)
    ]


def keep_to(processors: Collection[int]) -> None:
    """Run this thread, and threads and processes that it starts from now on, only on
    these CPU cores; any if empty, and on systems other than Linux. Raises
    NoProcessorError if none of them can be used."""
    if processors and sys.platform == "linux":
        try:
            os.sched_setaffinity(0, processors)
        except (OSError, ValueError):
            numbers = ", ".join(map(str, sorted(processors)))
            raise NoProcessorError(
                f"nothing can run on processor {numbers} here: see PIXELRNN_ENGINE_CPUS"
            ) from None


def keep_off(processors: Collection[int]) -> None:
    """Run this thread, and what it starts from now on, on all usable CPU cores but
    these, if there are others."""
    keep_to(set(usable()) - set(processors))


def use_batch_scheduling() -> None:
    """Give this thread, and threads that it starts from now on, the policy SCHED_BATCH
    if the system allows it."""
    if sys.platform == "linux":
        # They do not interrupt other threads then when they wake up.
        with contextlib.suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
