"""Which waiting image sits down next. Pure bookkeeping: no torch, no Redis, no clock, one thread.

A free slot goes to the job that has the fewest images seated, and among equals to the one that was served longest ago:
a job of one image does not wait behind a job of sixty-four.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Generic, TypeVar

Image = TypeVar("Image")


@dataclass
class _Entry(Generic[Image]):
    model: str
    waiting: deque[Image]
    served: int
    seated: int = 0


class Scheduler(Generic[Image]):
    """Waiting images by job (a claim's token) and model."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry[Image]] = {}
        self._turns = count()

    def add(self, token: str, model: str, images: Iterable[Image]) -> None:
        """Queue a job's images; the token must be new."""
        assert token not in self._entries
        self._entries[token] = _Entry(model, deque(images), served=next(self._turns))

    def next_image(self, model: str) -> tuple[str, Image] | None:
        """Take the image that sits down next in a slot of this model, or None when none waits."""
        candidates = [
            (e.seated, e.served, token) for token, e in self._entries.items() if e.model == model and e.waiting
        ]
        if not candidates:
            return None
        token = min(candidates)[2]
        entry = self._entries[token]
        entry.seated += 1
        entry.served = next(self._turns)
        return token, entry.waiting.popleft()

    def leave(self, token: str) -> None:
        """An image of the job has left its slot; a job with none seated and none waiting is forgotten."""
        if (entry := self._entries.get(token)) is None:
            return
        entry.seated -= 1
        if not entry.seated and not entry.waiting:
            del self._entries[token]

    def drop(self, token: str) -> None:
        """Forget the job and all that waits of it."""
        self._entries.pop(token, None)

    def has_waiting(self, model: str) -> bool:
        return any(entry.model == model and entry.waiting for entry in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)
