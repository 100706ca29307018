"""Turns of several users of one resource: next comes the one that has used it least. It
uses no clock.

This is self-clocked fair queueing: what the last user had used is the clock, and
newcomers start from there.
"""

from collections.abc import Sequence


class Turns:
    """Shares a resource by the amount that each user takes, not by the number of turns:
    long turns come less often."""

    def __init__(self) -> None:
        """Begin without users."""
        self._had: dict[str, float] = {}
        self._ready: set[str] = set()
        self._now = 0.0

    def next(self, ready: Sequence[str]) -> str:
        """Return which of the `ready` names, at least one, has the next turn; of
        equals, the first. Names that were not ready before have saved up nothing."""
        now_ready = set(ready)
        for name in now_ready - self._ready:
            self._had[name] = max(self._had.get(name, 0.0), self._now)
        self._ready = now_ready
        return min(ready, key=self._had.__getitem__)

    def charge(self, name: str, used: float) -> None:
        """Note that a name had a turn and used this much, in seconds or slots. It must
        have been ready before."""
        self._had[name] += used
        self._now = max(self._now, self._had[name])
