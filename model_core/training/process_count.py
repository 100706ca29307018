"""How many processes train on one machine, and so how many shares their batches have."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from model_core.processors import available
from model_core.slow_steps import if_slow
from model_core.training.files import RunPaths
from model_core.training.launch import time_with
from model_core.training.recipe import TrainingSection
from model_core.training.run import RunRequest
from model_core.training.shares import shares_of_run
from model_core.training.timing import TimingRequest, TrainingImages

_TIMED_S = 1.0
"""Seconds of updates that are timed with each number of processes, if their updates
take as long as those of one process."""
_LEAST_UPDATES = 4
_MOST_UPDATES = 30
_LEAST_GAIN = 0.05
"""More processes are chosen if they shorten an update by at least this part."""
_LEAST_S = 30.0
"""A shorter training has one process: starting others would take most of its time."""
_SPARE_MEMORY = 2
"""A process is expected to need so many times the memory that timing updates took: its
validations need more."""


def _divide_nothing(_: int) -> None:
    pass


@dataclass(frozen=True)
class ProcessLimits:
    """The processes that a training on pictures may have.

    most: maximum number of processes.
    wanted: the user's number, which is not questioned.
    memory: bytes for all of them together. Default: not limited.
    divide_memory: called with the number of processes before they are started, to give
        each of them its part of the memory.
    """

    most: int = 1
    wanted: int | None = None
    memory: int | None = None
    divide_memory: Callable[[int], None] = _divide_nothing

    def count_for(self, process_bytes: int) -> int:
        """Return how many processes there may be if each needs this many bytes."""
        if self.memory is None or not process_bytes:
            return self.most
        return max(1, min(self.most, self.memory // (_SPARE_MEMORY * process_bytes)))


ALONE = ProcessLimits()
"""One process."""


def limits_of_machine(wanted: int | None) -> ProcessLimits:
    """Return the limits of a training that has this machine for itself: all CPU cores
    but one, and half of the memory.

    wanted: the user's number of processes, if any.
    """
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return ProcessLimits(spare_processors(), wanted, physical // 2)


@dataclass(frozen=True)
class ChosenProcesses:
    """The processes of a training, and how its batches are divided.

    processes: number of processes.
    shares: number of equal parts of each batch.
    update_s: seconds of an update.
    spent_s: seconds of the training's minutes that timing took and that the start of
        the processes will take.
    """

    processes: int
    shares: int
    update_s: float
    spent_s: float = 0.0


def choose_processes(
    timing: TimingRequest,
    images: TrainingImages,
    limits: ProcessLimits,
    alone_s: float,
    process_bytes: int,
    minutes: float,
    say: Callable[[str], None],
) -> ChosenProcesses:
    """Return the number of processes with which updates are fastest here, among those
    that divide the batch into equal shares. Updates are timed for that.

    timing: its counts and updates are chosen here.
    images: the training images, which this process has read.
    limits: the processes that it may have.
    alone_s: seconds of an update by this process alone.
    process_bytes: memory that a process needs.
    minutes: of the training.
    say: called with a line if a step takes longer than a moment.

    Raises ConfigError if the batch cannot be divided by the number that the user wants.
    """
    training = timing.recipe.training
    on_processors = training.device == "cpu"
    best = ChosenProcesses(1, training.shares or int(on_processors), alone_s)
    counts = _counts(training, limits, process_bytes, minutes)
    if not counts:
        return best
    updates = int(_TIMED_S / alone_s)
    timing = replace(
        timing,
        counts=counts,
        updates=max(_LEAST_UPDATES, min(_MOST_UPDATES, updates)),
    )
    began = time.perf_counter()
    limits.divide_memory(max(counts))
    names = ", ".join(map(str, counts))
    with if_slow(say, f"timing updates by {names} processes"):
        update_s, start_s = time_with(timing, max(counts), images)
    spent_s = time.perf_counter() - began

    for count in counts:
        shares = training.shares or count
        is_faster = update_s[count] < best.update_s * (1 - _LEAST_GAIN)
        if is_faster or limits.wanted is not None:
            best = ChosenProcesses(count, shares, update_s[count])
    if best.processes > 1:
        spent_s += start_s
    limits.divide_memory(best.processes)
    return replace(best, spent_s=spent_s)


def _counts(
    training: TrainingSection, limits: ProcessLimits, process_bytes: int, minutes: float
) -> list[int]:
    """Return the numbers of processes to time, beside one; empty if one is the only
    choice."""
    if training.device != "cpu":
        return []
    shares = training.shares
    limit = limits.count_for(process_bytes)
    if limits.wanted is not None:
        wanted = min(limits.wanted, shares or limits.wanted)
        return [wanted] if wanted > 1 else []
    if 60 * minutes < _LEAST_S:
        return []
    if shares:
        most = min(shares, limit)
        return [most] if most > 1 else []
    # Shares are equal, so processes with one share each divide the batch.
    most = min(limit, training.batch)
    return [count for count in range(2, most + 1) if training.batch % count == 0]


def processes_for(
    request: RunRequest, wanted: int | None, most: int | None = None
) -> int:
    """Return how many processes this command is to train with; 1 if torchrun started
    it.

    wanted: the user's number, if any. Without it a run whose shares (parts of a batch)
        are known has as many processes, but at most `most`, and every other run has
        one. There are never more processes than shares.
    most: Default: all CPU cores but one.
    """
    is_started_by_torchrun = "WORLD_SIZE" in os.environ
    if is_started_by_torchrun:
        return 1
    training = request.recipe.training
    if training.device != "cpu":
        return wanted or 1
    checkpoint = RunPaths(request.directory).last if request.resume else None
    shares = shares_of_run(training, checkpoint)
    if wanted is None:
        return min(shares or 1, most or spare_processors())
    return min(wanted, shares or wanted)


def spare_processors() -> int:
    """Return all CPU cores that this process may use but one, at least 1: the default
    number of processes that train on this machine."""
    return max(1, available() - 1)
