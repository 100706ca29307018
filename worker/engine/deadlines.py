"""Deadlines of the engine's thread: when it will be back from what it does next. Past that, also by what it has used of
a processor (process/due.py), and a lease's time, it counts as hung.

A turn may take ten times what such turns took. The first of its kind may compile, so it has minutes, and so has each
model that is loaded, and each turn for a job with which workers have died more than once: it may have been ended early.
"""

import time
from collections.abc import Callable

PATIENCE = 10
LEAST_S = 2.0
"""Least time for a turn: a machine may be busy with something else for a moment."""
FIRST_S = 300.0
DEATHS = 2
"""Workers that have died with a job, without anything new of it in between: its turns are then waited for like first
ones."""
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

    def begin(self, kind: str, size: int = 1, deaths: int = 0) -> None:
        """Begin a turn. deaths: as in Claim, of the job that the turn is for."""
        usual_s = self._usual_s.get(kind)
        least_s = FIRST_S if usual_s is None or deaths >= DEATHS else LEAST_S
        self._say(max(least_s, PATIENCE * (usual_s or 0.0) * size))
        self._turn = kind, max(1, size), time.monotonic()

    def end(self) -> None:
        """End the turn that was begun, if there is one."""
        if self._turn is None:
            return
        (kind, size, began), self._turn = self._turn, None
        took_s = (time.monotonic() - began) / size
        before_s = self._usual_s.get(kind, took_s)
        self._usual_s[kind] = max(took_s, before_s + FADES * (took_s - before_s))
