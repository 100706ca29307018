"""Turns of several that share one thing: the next is the one that has had the least of it. Pure bookkeeping, no clock.

Self-clocked fair queueing: what the last one has had by now is the clock, and whoever comes starts from there.
"""

from collections.abc import Sequence


class Turns:
    """Shares by what is used and not by count: one with long turns gets fewer of them."""

    def __init__(self) -> None:
        self._had: dict[str, float] = {}
        self._ready: set[str] = set()
        self._now = 0.0

    def next(self, ready: Sequence[str]) -> str:
        """The one of `ready` (at least one) that goes now; of equals, the first. Who was idle saved up nothing."""
        now_ready = set(ready)
        for name in now_ready - self._ready:
            self._had[name] = max(self._had.get(name, 0.0), self._now)
        self._ready = now_ready
        return min(ready, key=self._had.__getitem__)

    def charge(self, name: str, used: float) -> None:
        """It had its turn, and used this much: seconds, or slots."""
        self._had[name] += used
        self._now = max(self._now, self._had[name])
