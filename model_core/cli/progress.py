"""Show the progress of a verb: what is being done, and how much of it is done.

It is on stderr, because results go to stdout. At a terminal it is a bar that disappears
at the end; elsewhere a line that says what is being done if that takes more than a
moment, and then one a minute. This file imports neither torch nor numpy, so that it can
be used while they are imported.
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
"""on_share(share) is called with how much of the work is done, 0 to 1."""

REFRESHES = 2
"""How often a bar is drawn in a second. Each time takes some milliseconds of CPU
time."""


class Work:
    """The work of one verb, one task after the other. `working` yields one."""

    def __init__(self, progress: Progress) -> None:
        """progress: the bar, which gets a task named "starting"."""
        self._progress = progress
        self._task = progress.add_task("starting", total=None)
        self._doing = "starting"
        self._share: float | None = None

    def begin(self, doing: str) -> OnShare:
        """Show that a task begins, and return a function to call with how much of it is
        done, 0 to 1. Until its first call the bar only moves to and fro.

        doing: the task in words, such as "encoding".
        """
        self._progress.reset(self._task, total=None, description=doing)
        self._doing = doing
        self._share = None
        return self._reach

    def _reach(self, share: float) -> None:
        self._share = share
        self._progress.update(self._task, total=1.0, completed=share)

    def line(self) -> str:
        """Return what is being done, in words, and how much of it is done if that is
        known."""
        if self._share is None:
            return self._doing
        return f"{self._doing}: {self._share:.0%} done"


@contextmanager
def working() -> Iterator[Work]:
    """Context manager that yields a Work and shows its progress on stderr until the
    block ends, also with an error."""
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
