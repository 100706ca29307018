"""Progress on the terminal while models become ready. A start that takes as long as
usual prints nothing; a longer one shows how many models are ready."""

import time
from collections.abc import Iterable
from contextlib import suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from model_core.slow_steps import REPEAT_S
from pixelrnn import embedded
from worker.contract.cards import FIRST, ModelCard, WorkerInfo

LOOK_S = 0.1
"""Seconds between two requests for what workers announce."""
USUAL_S = 3.0
"""Seconds that a start usually takes, at most. Until then nothing is printed about it,
and Redis is not asked, which would slow it down."""


class StatusLines:
    """Lines on stderr that stay, and, if it is a terminal, a line below them that shows
    what goes on and how much of it is done."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    @property
    def is_at_terminal(self) -> bool:
        """True if stderr is a terminal, so that the lower line can be seen."""
        return self._console.is_terminal

    def say(self, line: str) -> None:
        """Print a line that stays. If it cannot be written, it is left out."""
        with suppress(OSError):  # into a file on a full disk, for example
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def show(self, doing: str, done: int, of: int | None) -> None:
        """Show the lower line, or update it, if stderr is a terminal.

        doing: what goes on, in words.
        done: how much of it is done.
        of: the whole, in the same unit; None while that is not known.
        """
        if not self.is_at_terminal:
            return
        if self._bar is None:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(20),
                TimeElapsedColumn(),
            )
            self._bar = Progress(
                *columns, console=self._console, transient=True, refresh_per_second=2
            )
            self._task = self._bar.add_task(doing)
            self._bar.start()
        assert self._task is not None
        self._bar.update(self._task, description=doing, completed=done, total=of)

    def clear(self) -> None:
        """Remove the lower line, because nothing goes on any more."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class Readiness:
    """Reads what workers announce at each call of `look()`, and prints what is new:
    models that are refused and, if stderr is no terminal, models that have become
    ready. At a terminal the lower line shows how many models are ready."""

    def __init__(self, redis_url: str, status: StatusLines) -> None:
        """redis_url: where the workers announce models.
        status: where to print.

        The start's time counts from now.
        """
        self._url = redis_url
        self._status = status
        self._began = time.monotonic()
        self._look_at = self._began + USUAL_S
        self._repeat_at = self._began + REPEAT_S
        self._told: set[str] | None = None
        self._refused: dict[str, str] = {}
        """The reasons that were printed, by the names of refused models."""
        self._left: int | None = None

    @property
    def is_slow(self) -> bool:
        """True if the start takes longer than usual."""
        return time.monotonic() > self._began + USUAL_S

    @property
    def ready(self) -> int:
        """How many models were ready at the last look."""
        return len(self._told or ())

    def is_first_ready(self) -> bool:
        """Ask Redis whether the model of the README's first call (FIRST) is ready, or
        is not among those that are being made ready."""
        workers = self._announced()
        ready = {name for worker in workers for name in worker.ready}
        return FIRST in ready or all(
            card.name != FIRST for worker in workers for card in worker.models
        )

    def look(self) -> int | None:
        """Ask Redis, at most every LOOK_S (0.1) seconds, and print what is new. Return
        how many models are not ready yet; None while that is not known, because no
        model is ready or the start takes no longer than usual."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            workers = self._announced()
            ready = {name for worker in workers for name in worker.ready}
            waiting = {
                card.name: card
                for worker in workers
                for card in worker.models
                if card.name not in ready
            }
            self._tell_refused(workers)
            self._tell(waiting, ready)
            self._left = len(waiting) if ready else None
        return self._left

    def _announced(self) -> list[WorkerInfo]:
        from worker.jobs.announcement import live_workers

        return embedded.ask(self._url, live_workers, lambda _: [])

    def _tell_refused(self, workers: Iterable[WorkerInfo]) -> None:
        """Print which models are not served, and why: each once, and again for another
        reason."""
        for worker in workers:
            for model in worker.refused:
                if self._refused.get(model.name) != model.reason:
                    self._refused[model.name] = model.reason
                    self._status.say(f"{model.name} is not served: {model.reason}")

    def _tell(self, waiting: dict[str, ModelCard], ready: set[str]) -> None:
        count = len(waiting) + len(ready)
        if not count:
            self._status.show("starting", 0, None)
            self._repeat("still starting")
            return
        if self._told is None:
            self._told = set(ready)
            if any(card.cold for card in waiting.values()):
                self._status.say("compiling the drawing loops for this processor, once")
        doing = ""
        if waiting:
            step = _next(waiting.values())
            doing = f"{step} ({len(ready)} of {count} models are ready)"
            self._status.show(doing, len(ready), count)
        for name in sorted(ready - self._told):
            self._told.add(name)
            if not self._status.is_at_terminal:
                self._say(f"{name} is ready ({len(self._told)} of {count} models)")
        if waiting:
            self._repeat(f"still {doing}")
        if self._told and not waiting:
            self._status.clear()

    def _repeat(self, line: str) -> None:
        """Print how far the start is if nothing was printed for a minute and no lower
        line shows it."""
        is_due = time.monotonic() >= self._repeat_at
        if is_due and not self._status.is_at_terminal:
            self._say(line)

    def _say(self, line: str) -> None:
        self._repeat_at = time.monotonic() + REPEAT_S
        self._status.say(line)


def _next(waiting: Iterable[ModelCard]) -> str:
    """Return what the worker does now. It takes models whose loops are on disk first,
    then the README's model, then those with small images."""
    card = min(
        waiting,
        key=lambda card: (
            card.cold,
            card.name != FIRST,
            card.height * card.width * card.channels,
            card.name,
        ),
    )
    return f"{'compiling' if card.cold else 'loading'} {card.name}"
