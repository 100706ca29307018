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
USUAL_S = 3.0
"""A start that is over within so many seconds is not talked about, nor looked at: it would be slower."""


class Voice:
    """Lines on stderr that stay, and at a terminal one below them that is updated while something goes on."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    @property
    def is_heard_by_a_person(self) -> bool:
        return self._console.is_terminal

    def say(self, line: str) -> None:
        """A line that stays."""
        with suppress(OSError):  # into a file on a full disk, for example
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def show(self, doing: str, done: int, of: int | None) -> None:
        """Say what goes on, and how much of it is done; nothing if nobody looks. of: None while that is not known."""
        if not self.is_heard_by_a_person:
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

    def hush(self) -> None:
        """Nothing goes on any more."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class Readiness:
    """`look()`, again and again: reads what the workers at this Redis announce, and has `voice` tell what is new.

    If nobody looks at a terminal, it says at least once a minute how far the start is.
    """

    def __init__(self, redis_url: str, voice: Voice) -> None:
        self._url = redis_url
        self._voice = voice
        self._began = time.monotonic()
        self._look_at = self._began + USUAL_S
        self._repeat_at = self._began + REPEAT_S
        self._told: set[str] | None = None
        self._refused: dict[str, str] = {}
        """Reasons of refused models that were said."""
        self._left: int | None = None

    @property
    def is_slow(self) -> bool:
        """It takes longer than a usual start does."""
        return time.monotonic() > self._began + USUAL_S

    def look(self) -> int | None:
        """How many models are not ready yet; None before that is known."""
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
        from worker.jobs.announcement import announced

        return embedded.asked(self._url, announced, lambda _: [])

    def _tell_refused(self, workers: Iterable[WorkerInfo]) -> None:
        """Say which models are not served, and why: each once, and again for another reason."""
        for worker in workers:
            for model in worker.refused:
                if self._refused.get(model.name) != model.reason:
                    self._refused[model.name] = model.reason
                    self._voice.say(f"{model.name} is not served: {model.reason}")

    def _tell(self, waiting: dict[str, ModelCard], ready: set[str]) -> None:
        count = len(waiting) + len(ready)
        if not count:
            self._voice.show("starting", 0, None)
            self._repeat("still starting")
            return
        if self._told is None:
            self._told = set(ready)
            if any(card.cold for card in waiting.values()):
                self._voice.say("compiling the drawing loops for this processor, once")
        doing = ""
        if waiting:
            step = _next(waiting.values())
            doing = f"{step} ({len(ready)} of {count} models are ready)"
            self._voice.show(doing, len(ready), count)
        for name in sorted(ready - self._told):
            self._told.add(name)
            if not self._voice.is_heard_by_a_person:
                self._say(f"{name} is ready ({len(self._told)} of {count} models)")
        if waiting:
            self._repeat(f"still {doing}")
        if self._told and not waiting:
            self._voice.hush()

    def _repeat(self, line: str) -> None:
        """Say how far the start is if nothing was said for a while, and no bar shows it."""
        is_due = time.monotonic() >= self._repeat_at
        if is_due and not self._voice.is_heard_by_a_person:
            self._say(line)

    def _say(self, line: str) -> None:
        self._repeat_at = time.monotonic() + REPEAT_S
        self._voice.say(line)


def _next(waiting: Iterable[ModelCard]) -> str:
    """The worker's work now: it begins with loops that are on disk, with the README's model, and with small images."""
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
