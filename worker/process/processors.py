"""Decides which processors run what. The engine's thread is the only one that is always busy, and whatever takes its
processor for a moment takes the contents of its caches too."""

import contextlib
import os
import re
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

SMALL = 4
"""Processors of a machine on which it pays to keep some for the engines alone; a larger one always has an idle one."""


class NoProcessorError(Exception):
    """The machine has none of the processors."""


def usable() -> list[int]:
    """Processors this process may use, those first that were interrupted longest so far, by a disk for example; empty
    if the system does not tell."""
    if sys.platform != "linux":
        return []
    interrupted = _interrupted(Path("/proc/stat").read_text())
    return sorted(
        os.sched_getaffinity(0),
        key=lambda processor: (-interrupted.get(processor, 0), processor),
    )


def _interrupted(stat: str) -> dict[int, int]:
    """Ticks of each processor in interrupts: the sixth and seventh number of its line."""
    lines = [line.split() for line in stat.splitlines() if re.match(r"cpu\d", line)]
    return {
        int(words[0].removeprefix("cpu")): int(words[6]) + int(words[7])
        for words in lines
    }


def of_engines(
    available: Sequence[int], engines: int, threads: int
) -> list[tuple[int, ...]]:
    """`threads` processors for each engine alone, the last ones, where the machine is small and one is left for
    everything else; else none for any."""
    count = len(available)
    if count > SMALL or count <= engines * threads:
        return [()] * engines
    return [
        tuple(available[count - (i + 1) * threads : count - i * threads])
        for i in range(engines)
    ]


def keep_to(processors: Collection[int]) -> None:
    """This thread, and what it starts from now on, runs on these only; no change when there are none.

    Raises NoProcessorError.
    """
    if processors and sys.platform == "linux":
        try:
            os.sched_setaffinity(0, processors)
        except (OSError, ValueError):
            numbers = ", ".join(map(str, sorted(processors)))
            raise NoProcessorError(
                f"nothing can run on processor {numbers} here: see PIXELRNN_ENGINE_CPUS"
            ) from None


def keep_off(processors: Collection[int]) -> None:
    """Keep this process off these processors, if there are others."""
    keep_to(set(usable()) - set(processors))


def wait_for_turn() -> None:
    """This thread, and those that it starts from now on, stop nobody when they wake up. Those of a worker do so
    thousands of times a second, for moments."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
