"""Progress of a verb while it works: what is being done, and how much of it is done.

On stderr, because results are stdout's. At a terminal it is a bar, which is gone when the
work is over; elsewhere a line that says what is being done if that takes more than a
moment, and one a minute. Loads neither torch nor numpy, so that it is there while they
are loaded.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from model_core import slow_steps

OnShare = Callable[[float], None]
"""Told how much of the work is done, 0 to 1."""

REFRESHES = 2
"""Times a second that a bar is drawn. Each takes a processor some milliseconds."""


class Work:
    """The work of one verb: one thing after the other."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=None)
        self._doing = "starting"
        self._share: float | None = None

    def begin(self, doing: str) -> OnShare:
        """Say what is done from now on; the bar only moves to and fro until the returned function is told a share."""
        self._progress.reset(self._task, total=None, description=doing)
        self._doing = doing
        self._share = None
        return self._reach

    def _reach(self, share: float) -> None:
        self._share = share
        self._progress.update(self._task, total=1.0, completed=share)

    def line(self) -> str:
        """Return what is being done, and how much of it is done if that is known."""
        if self._share is None:
            return self._doing
        return f"{self._doing}: {self._share:.0%} done"


@contextmanager
def working() -> Iterator[Work]:
    """Shown until the block ends, however it ends."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    progress = Progress(
        *columns,
        console=console,
        transient=True,
        refresh_per_second=REFRESHES,
        disable=not console.is_terminal,
    )
    work = Work(progress)
    if console.is_terminal:
        with progress:
            yield work
        return

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    with slow_steps.regularly(say, work.line, slow_steps.PATIENCE_S):
        yield work
