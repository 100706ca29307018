"""Deadlines of the engine's thread: when it will be back from what it does next. Past that, and a lease's time, it
counts as hung.

A turn may take ten times what such turns took. The first of its kind may compile, so it has minutes, and so has each
model that is loaded.
"""

import time
from collections.abc import Callable

PATIENCE = 10
LEAST_S = 2.0
"""Least time for a turn: a machine may be busy with something else for a moment."""
FIRST_S = 300.0
LOADING_S = 900.0
OPENING_S = 60.0
"""Time for images that take their seats before a turn."""
IDLE_S = 1.0
"""A thread without work says as often as this that it is there."""

FADES = 0.01
"""How much of a slow turn is forgotten with each faster one."""


class Deadlines:
    """say(seconds): this process will be back within so many. A turn's kind tells what it is comparable with, its size
    how much of that it is: what it takes is told apart by kind and counted by size."""

    def __init__(self, say: Callable[[float], None] = lambda _: None) -> None:
        self._say = say
        self._usual_s: dict[str, float] = {}  # of size 1: rises at once, and fades
        self._turn: tuple[str, int, float] | None = None

    def loading(self) -> None:
        """One more model is loaded, or compiled."""
        self._say(LOADING_S)

    def idle(self) -> None:
        self._say(IDLE_S + LEAST_S)

    def opening(self) -> None:
        self._turn = None
        self._say(OPENING_S)

    def begin(self, kind: str, size: int = 1) -> None:
        usual_s = self._usual_s.get(kind)
        self._say(FIRST_S if usual_s is None else max(LEAST_S, PATIENCE * usual_s * size))
        self._turn = kind, max(1, size), time.monotonic()

    def end(self) -> None:
        """End the turn that was begun, if there is one."""
        if self._turn is None:
            return
        (kind, size, began), self._turn = self._turn, None
        took_s = (time.monotonic() - began) / size
        before_s = self._usual_s.get(kind, took_s)
        self._usual_s[kind] = max(took_s, before_s + FADES * (took_s - before_s))
