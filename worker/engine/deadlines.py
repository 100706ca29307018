"""Deadlines of the engine process's thread: when it will be back from what it does
next. A thread that is later than that, also by its CPU time (process/due.py), counts as
hung after a lease's time.

A turn may take ten times as long as such turns usually take. The first turn of its kind
may compile, so it has minutes, and so has each model that is loaded, and each turn for
a job with which workers have died more than once: its turns may have been ended too
early.
"""

import time
from collections.abc import Callable

PATIENCE = 10
"""A turn may take so many times its usual duration."""
LEAST_S = 5.0
"""Least time for a turn in seconds: a machine may be busy with something else for a
moment."""
FIRST_S = 300.0
"""Least time in seconds for the first turn of a kind, which may compile."""
DEATHS = 2
"""Number of workers that died with a job, without drawing anything new, from which its
turns have FIRST_S."""
LOADING_S = 900.0
"""Seconds for loading or compiling one model."""
OPENING_S = 60.0
"""Seconds for giving images their slots before a turn."""
IDLE_S = 1.0
"""A thread without work sets a new deadline every so many seconds."""

FADES = 0.01
"""Share by which the usual duration falls towards that of a faster turn."""


class Deadlines:
    """Sets the deadlines of the drawing thread, and learns how long its turns usually
    take.

    Turns of the same kind are comparable; a turn's size says how much work it is
    compared with others of its kind.
    """

    def __init__(self, say: Callable[[float], None] = lambda _: None) -> None:
        """say(seconds): sets the deadline to so many seconds from now."""
        self._say = say
        self._usual_s: dict[str, float] = {}
        """Usual seconds of a turn of size 1, by kind: rises at once, and falls
        slowly."""
        self._turn: tuple[str, int, float] | None = None

    def loading(self) -> None:
        """Allow the time that loading or compiling one more model may take."""
        self._say(LOADING_S)

    def idle(self) -> None:
        """Allow the time of a wait for work."""
        self._say(IDLE_S + LEAST_S)

    def opening(self) -> None:
        """Allow the time of what comes before a turn, and forget a turn that was not
        ended."""
        self._turn = None
        self._say(OPENING_S)

    def begin(self, kind: str, size: int = 1, deaths: int = 0) -> None:
        """Allow the time of a turn that begins now.

        size: number of images of its busiest thread.
        deaths: as in Claim, of the job that the turn is for.
        """
        usual_s = self._usual_s.get(kind)
        least_s = FIRST_S if usual_s is None or deaths >= DEATHS else LEAST_S
        self._say(max(least_s, PATIENCE * (usual_s or 0.0) * size))
        self._turn = kind, max(1, size), time.monotonic()

    def end(self) -> None:
        """Note how long the turn took that was begun last, if any. The deadline stays."""
        if self._turn is None:
            return
        kind, size, began = self._turn
        self._turn = None
        took_s = (time.monotonic() - began) / size
        before_s = self._usual_s.get(kind, took_s)
        self._usual_s[kind] = max(took_s, before_s + FADES * (took_s - before_s))
