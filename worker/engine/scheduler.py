"""Decides which waiting image sits down next. Pure bookkeeping: no torch, no Redis, no clock, one thread.

Interactive and bulk jobs of a model take turns by their weights, the owners of each kind among themselves, and the
jobs of an owner, image by image. A job of one image does not wait behind a job of sixty-four, no stream of small jobs
stops a large one, and no owner of many jobs stops one of few.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from worker.contract.jobs import PRIORITY_WEIGHTS, Priority
from worker.engine.turns import Turns

Image = TypeVar("Image")


@dataclass
class _Entry(Generic[Image]):
    lane: "_Lane[Image]"
    waiting: deque[Image]
    owner: str
    had: float
    """Seats so far, counted as in Turns: from what its lane had reached when it came."""
    seated: int = 0
    may_be_first: bool = True
    """A slot for jobs that have no image seated is for it, too."""


class _Lane(Generic[Image]):
    """The jobs of one model and priority that have images waiting."""

    def __init__(self) -> None:
        self.entries: dict[str, _Entry[Image]] = {}
        self._now = 0.0
        self._owners: dict[str, float] = {}
        """Seats of each owner who has entries, counted likewise."""
        self._owners_now = 0.0

    def add(
        self, token: str, images: Iterable[Image], owner: str, may_be_first: bool
    ) -> _Entry[Image]:
        entry = _Entry(self, deque(images), owner, self._now, may_be_first=may_be_first)
        self.entries[token] = entry
        self._owners.setdefault(owner, self._owners_now)
        return entry

    def remove(self, token: str) -> None:
        """It has nothing waiting any more."""
        entry = self.entries.pop(token, None)
        if entry is not None and all(
            other.owner != entry.owner for other in self.entries.values()
        ):
            del self._owners[entry.owner]

    def next(self, first_only: bool) -> str | None:
        """The job whose image sits down next, by its token: of the owner who had the fewest seats the one that had the
        fewest; of equals, the one with the fewest images left to seat."""
        found, least = None, (0.0, 0.0, 0)
        for token, entry in self.entries.items():
            turn = self._owners[entry.owner], entry.had, len(entry.waiting)
            if (found is None or turn < least) and not (
                first_only and (entry.seated or not entry.may_be_first)
            ):
                found, least = token, turn
        return found

    def seat(self, token: str) -> Image:
        """Take the next image of a job."""
        entry = self.entries[token]
        entry.seated += 1
        entry.had += 1
        self._now = max(self._now, entry.had)
        self._owners[entry.owner] += 1
        self._owners_now = max(self._owners_now, self._owners[entry.owner])
        image = entry.waiting.popleft()
        if not entry.waiting:
            self.remove(token)
        return image


class _Lanes(Generic[Image]):
    """The two lanes of one model."""

    def __init__(self) -> None:
        self._of = {priority: _Lane[Image]() for priority in Priority}
        self._turns = Turns()

    def __getitem__(self, priority: Priority) -> _Lane[Image]:
        return self._of[priority]

    def next_image(self, first_only: bool) -> tuple[str, Image] | None:
        ready = {
            p: token
            for p, lane in self._of.items()
            if (token := lane.next(first_only)) is not None
        }
        if not ready:
            return None
        priority = Priority(self._turns.next(list(ready)))
        self._turns.charge(priority, 1 / PRIORITY_WEIGHTS[priority])
        token = ready[priority]
        return token, self._of[priority].seat(token)

    def have_waiting(self) -> bool:
        return any(lane.entries for lane in self._of.values())


class Scheduler(Generic[Image]):
    """Waiting images by job (a claim's token) and model."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry[Image]] = {}
        self._lanes: dict[str, _Lanes[Image]] = {}

    def add(
        self,
        token: str,
        model: str,
        images: Iterable[Image],
        priority: Priority,
        owner: str = "",
        may_be_first: bool = True,
    ) -> None:
        """Queue a job's images, at least one; the token must be new. may_be_first: one of them may be its job's
        first."""
        assert token not in self._entries
        lanes = self._lanes.setdefault(model, _Lanes[Image]())
        self._entries[token] = lanes[priority].add(token, images, owner, may_be_first)

    def next_image(
        self, model: str, first_only: bool = False
    ) -> tuple[str, Image] | None:
        """Take the image that sits down next in a slot of this model, or None when none waits.

        first_only: the slot is for jobs that have no image seated.
        """
        lanes = self._lanes.get(model)
        return None if lanes is None else lanes.next_image(first_only)

    def leave(self, token: str) -> None:
        """An image of the job has left its slot; a job with none seated and none waiting is forgotten."""
        if (entry := self._entries.get(token)) is None:
            return
        entry.seated -= 1
        if not entry.seated and not entry.waiting:
            del self._entries[token]

    def drop(self, token: str) -> None:
        """Forget the job and all that waits of it."""
        if (entry := self._entries.pop(token, None)) is not None:
            entry.lane.remove(token)

    def has_waiting(self, model: str) -> bool:
        return model in self._lanes and self._lanes[model].have_waiting()

    def __len__(self) -> int:
        return len(self._entries)
