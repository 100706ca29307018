"""How many CPU cores this process may use, and in how many threads it draws on them."""

import os
from collections.abc import Iterator
from pathlib import Path

from model_core.control_groups import GROUPS, OWN, directories

MOST_BY_DEFAULT = 16
"""Maximum number of drawing threads unless a user asks for more: beyond it, memory for
their images is better left to other processes."""


def default_threads(processors: int | None = None, workers: int = 1) -> int:
    """Return in how many threads each of `workers` workers draws unless a user says
    otherwise. One core is left for everything else: API, Redis, publishing.

    processors: number of CPU cores; by default those of this process, as `available`
    counts them.
    """
    count = available() if processors is None else processors
    return max(1, min(MOST_BY_DEFAULT, count - 1) // workers)


def available(
    affinity: int | None = None, groups: Path = GROUPS, own: Path = OWN
) -> int:
    """Return how many CPU cores this process may use, at least 1: those that it may run
    on, or fewer if a control group (of a container, for example) has a quota of CPU
    time.

    affinity: number of cores that it may run on. Default: as the system says now.
    groups, own: as for `control_groups.directories`.
    """
    if affinity is None:
        affinity = _affinity()
    quotas = [int(quota) for quota in _quotas(groups, own)]
    return max(1, min([affinity, *quotas]))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(groups: Path, own: Path) -> Iterator[float]:
    """Yield the number of CPU cores that each control group of this process allows."""
    for group, is_unified in directories("cpu", groups, own):
        if is_unified:
            words = _words(group / "cpu.max")
        else:
            words = [
                *_words(group / "cpu.cfs_quota_us"),
                *_words(group / "cpu.cfs_period_us"),
            ]
        if len(words) == 2 and all(word.isdigit() for word in words):
            quota, period = map(int, words)
            yield quota / period


def _words(path: Path) -> list[str]:
    """Return the words of a file; none if there is no file. No limit is `max` or -1."""
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return []
