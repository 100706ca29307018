"""Progress while models become ready: a person hears nothing on a usual start, and how far it is on one that takes
longer."""

import time
from collections.abc import Iterable
from contextlib import suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from pixelrnn import embedded
from worker.contract.cards import ModelCard

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
    """`look()`, again and again: reads what the workers at this Redis announce, and has `voice` tell what is new."""

    def __init__(self, redis_url: str, voice: Voice) -> None:
        self._url = redis_url
        self._voice = voice
        self._began = time.monotonic()
        self._look_at = self._began + USUAL_S
        self._told: set[str] | None = None
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
            waiting, ready = self._announced_models()
            self._tell(waiting, ready)
            self._left = len(waiting) if ready else None
        return self._left

    def _announced_models(self) -> tuple[dict[str, ModelCard], set[str]]:
        """The models that are not ready yet, and the names of those that can be drawn from."""
        from worker.jobs.announcement import announced

        workers = embedded.asked(self._url, announced, lambda _: [])
        ready = {name for worker in workers for name in worker.ready}
        return {
            card.name: card
            for worker in workers
            for card in worker.models
            if card.name not in ready
        }, ready

    def _tell(self, waiting: dict[str, ModelCard], ready: set[str]) -> None:
        count = len(waiting) + len(ready)
        if not count:
            self._voice.show("starting", 0, None)
            return
        if self._told is None:
            self._told = set(ready)
            if any(card.cold for card in waiting.values()):
                self._voice.say("compiling the drawing loops for this processor, once")
        if waiting:
            self._voice.show(
                f"{_next(waiting.values())} ({len(ready)} of {count} models are ready)",
                len(ready),
                count,
            )
        for name in sorted(ready - self._told):
            self._told.add(name)
            if not self._voice.is_heard_by_a_person:
                self._voice.say(
                    f"{name} is ready ({len(self._told)} of {count} models)"
                )
        if self._told and not waiting:
            self._voice.hush()


def _next(waiting: Iterable[ModelCard]) -> str:
    """The worker's work now: it begins with loops that are on disk, and with small images."""
    card = min(
        waiting,
        key=lambda card: (
            card.cold,
            card.height * card.width * card.channels,
            card.name,
        ),
    )
    return f"{'compiling' if card.cold else 'loading'} {card.name}"
