"""Progress for the person at the terminal: a bar, or plain lines if there is no terminal."""

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
"""Times a second that the bar is drawn. Each takes a processor about 2 ms, and all of
them together are to take less than 1 %."""


def nats_and_bits(nats: float, dimensions: int) -> str:
    """A score as people compare it: per image, and per variable of an image."""
    if not math.isfinite(nats):
        return "no score that is a number"
    return f"{nats:.2f} nats ({nats / dimensions / math.log(2):.3f} bits/dim)"


class Display:
    """Reports of a run, on stderr, because results are stdout's. Processes that do not lead say nothing.

    If there is no terminal, it says when the first update is made, and once a minute how
    far the run is.
    """

    def __init__(self, leads: bool, iteration: int, total: int) -> None:
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
        if not self._progress.disable:  # else rich would end with an empty line
            self._progress.stop()

    def advance(self, iteration: int, nats: float) -> None:
        """Report an update. The nats shown are smoothed, because those of 16 images jump."""
        self._iteration = iteration
        if math.isfinite(nats):
            before = nats if self._nats is None else self._nats
            self._nats = before + 0.02 * (nats - before)
        if not self._progress.disable:
            self._progress.update(self._task, completed=iteration, nats=self._shown())
        elif iteration == self._first:
            self.say(self._line())

    def _line(self) -> str:
        nats = f", {shown}" if (shown := self._shown()) else ""
        return f"update {self._iteration} of {self._total}{nats}"

    def _shown(self) -> str:
        return "" if self._nats is None else f"{self._nats:.2f} nats"

    def speed(self, images_per_s: float) -> None:
        """Report the speed, after every log line."""
        self._progress.update(self._task, speed=f"  {images_per_s:.0f} images/s")

    def validated(self, nats: float, grid: Path | None) -> None:
        """Hear of the nats of images held back, and of a picture of what is drawn by now, where there is one: the lines
        say it, too."""

    def say(self, text: str) -> None:
        """A line that stays, above the bar if there is one; only a terminal breaks it."""
        self._progress.console.print(
            text, highlight=False, soft_wrap=self._progress.disable
        )
