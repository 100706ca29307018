"""Progress at the terminal while a verb works: what is being done, and how much of it is done.

On stderr, because results are stdout's, and gone when it is over; nothing at all where stderr is no terminal. Loads
neither torch nor numpy, so that it is there while they are loaded.
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

OnShare = Callable[[float], None]
"""Told how much of the work is done, 0 to 1."""


class Work:
    """The work of one verb: one thing after the other."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=None)

    def begin(self, doing: str) -> OnShare:
        """Say what is done from now on; the bar only moves to and fro until the returned function is told a share."""
        self._progress.reset(self._task, total=None, description=doing)
        return lambda share: self._progress.update(
            self._task, total=1.0, completed=share
        )


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
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        yield Work(progress)
