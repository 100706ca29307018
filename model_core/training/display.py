"""Progress for the person at the terminal: a bar, or plain lines if stderr is no
terminal."""

import math
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from model_core import slow_steps

REFRESHES = 1
"""How often the bar is drawn in a second. Each time takes about 2 ms of CPU time, and
all of them together should take less than 1 %."""


def nats_and_bits(nats: float, dimensions: int) -> str:
    """Return a score as text: nats per image, and bits per variable; or that it is not
    finite.

    nats: per image.
    dimensions: number of variables of an image.
    """
    if not math.isfinite(nats):
        return "no score that is a number"
    return f"{nats:.2f} nats ({nats / dimensions / math.log(2):.3f} bits/dim)"


class Display:
    """Shows the progress of a run on stderr, because stdout is for results. It is a
    context manager. In processes that do not lead it prints nothing.

    If stderr is not a terminal, it prints a line after the first update and then one a
    minute, in place of a bar.
    """

    def __init__(self, leads: bool, iteration: int, total: int) -> None:
        """leads: True in the process that prints.
        iteration: updates made before.
        total: updates of the whole run.
        """
        console = Console(stderr=True, quiet=not leads)
        self._leads = leads
        self._total = total
        self._first = iteration + 1
        self._iteration = iteration
        self._resources = ExitStack()
        self._progress = Progress(
            TextColumn("update"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[nats]}{task.fields[speed]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            refresh_per_second=REFRESHES,
            disable=not (leads and console.is_terminal),
        )
        self._task = self._progress.add_task(
            "update", total=total, completed=iteration, nats="", speed=""
        )
        self._nats: float | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        if self._leads and self._progress.disable:
            self._resources.enter_context(
                slow_steps.regularly(self.say, self._line, slow_steps.REPEAT_S)
            )
        return self

    def __exit__(self, *exception: object) -> None:
        self._resources.close()
        if not self._progress.disable:  # a disabled one would print an empty line
            self._progress.stop()

    def advance(self, iteration: int, nats: float) -> None:
        """Show that `iteration` updates are made.

        nats: mean of the last batch; a moving average of it is shown.
        """
        self._iteration = iteration
        if math.isfinite(nats):
            # The nats of 16 images vary strongly.
            before = nats if self._nats is None else self._nats
            self._nats = before + 0.02 * (nats - before)
        if not self._progress.disable:
            self._progress.update(
                self._task, completed=iteration, nats=self._nats_text()
            )
        elif iteration == self._first:
            self.say(self._line())

    def _line(self) -> str:
        nats = self._nats_text()
        suffix = f", {nats}" if nats else ""
        return f"update {self._iteration} of {self._total}{suffix}"

    def _nats_text(self) -> str:
        return "" if self._nats is None else f"{self._nats:.2f} nats"

    def speed(self, images_per_s: float) -> None:
        """Show the speed. Called with every line of the log."""
        self._progress.update(self._task, speed=f"  {images_per_s:.0f} images/s")

    def validated(self, nats: float, grid: Path | None) -> None:
        """A hook for subclasses, called after each validation. Here it does nothing,
        because `say` has printed the score.

        nats: mean over the held-out images.
        grid: the picture of samples that were drawn, if there is one.
        """

    def say(self, text: str) -> None:
        """Print a line that stays, above the bar if there is one. Only a terminal
        breaks long lines."""
        self._progress.console.print(
            text, highlight=False, soft_wrap=self._progress.disable
        )
