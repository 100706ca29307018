"""Decides which waiting image gets the next free slot (`Scheduler`), and which model
has the next turn (`Turns`). It uses no torch, no Redis and no clock, and only one
thread.

Interactive and bulk jobs of a model alternate by their weights, within them owners
alternate, and within those the jobs of an owner, image by image. So a job of one image
does not wait behind a job of sixty-four, no stream of small jobs stops a large one, and
no owner of many jobs stops an owner of few.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from worker.contract.jobs import PRIORITY_WEIGHTS, Priority

Image = TypeVar("Image")


class Turns:
    """Shares a resource by the amount that each user takes, not by the number of turns:
    long turns come less often.

    This is self-clocked fair queueing: what the last user had used is the clock, and
    newcomers start from there.
    """

    def __init__(self) -> None:
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
        """Note that a name had a turn and used this much, in seconds or slots."""
        self._had[name] += used
        self._now = max(self._now, self._had[name])


@dataclass
class _Entry(Generic[Image]):
    """A job with images that wait for slots or are in slots."""

    lane: "_Lane[Image]"
    waiting: deque[Image]
    owner: str
    had: float
    """Slots that it has had, counted as in Turns: it begins with what its lane had
    reached when it came."""
    seated: int = 0
    may_be_first: bool = True
    """True if it may take a slot that is reserved for first images."""


class _Lane(Generic[Image]):
    """The waiting jobs of one model and priority."""

    def __init__(self) -> None:
        self.entries: dict[str, _Entry[Image]] = {}
        self._now = 0.0
        self._owners: dict[str, float] = {}
        """Owner -> slots that its jobs have had, counted likewise."""
        self._owners_now = 0.0

    def add(
        self, token: str, images: Iterable[Image], owner: str, may_be_first: bool
    ) -> _Entry[Image]:
        entry = _Entry(self, deque(images), owner, self._now, may_be_first=may_be_first)
        self.entries[token] = entry
        self._owners.setdefault(owner, self._owners_now)
        return entry

    def remove(self, token: str) -> None:
        entry = self.entries.pop(token, None)
        if entry is not None and all(
            other.owner != entry.owner for other in self.entries.values()
        ):
            del self._owners[entry.owner]

    def next(self, first_only: bool) -> str | None:
        """Return the token of the job whose image gets the next slot, or None: of the
        owner, and then the job, that has had the fewest slots; of equals, the job with
        the fewest waiting images.

        first_only: only jobs without an image in a slot.
        """
        found = None
        least = (0.0, 0.0, 0)
        for token, entry in self.entries.items():
            if first_only and (entry.seated or not entry.may_be_first):
                continue
            turn = self._owners[entry.owner], entry.had, len(entry.waiting)
            if found is None or turn < least:
                found = token
                least = turn
        return found

    def seat(self, token: str) -> Image:
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
    """The two lanes of one model, interactive and bulk."""

    def __init__(self) -> None:
        self._of = {priority: _Lane[Image]() for priority in Priority}
        self._turns = Turns()

    def __getitem__(self, priority: Priority) -> _Lane[Image]:
        return self._of[priority]

    def next_image(self, first_only: bool) -> tuple[str, Image] | None:
        ready = {}
        for priority, lane in self._of.items():
            token = lane.next(first_only)
            if token is not None:
                ready[priority] = token
        if not ready:
            return None
        chosen = Priority(self._turns.next(list(ready)))
        self._turns.charge(chosen, 1 / PRIORITY_WEIGHTS[chosen])
        return ready[chosen], self._of[chosen].seat(ready[chosen])

    def have_waiting(self) -> bool:
        return any(lane.entries for lane in self._of.values())


class Scheduler(Generic[Image]):
    """The images that wait for slots, by model and by job (a claim's token)."""

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
        """Queue the images of a job, at least one.

        model: name of the slots for which they wait.
        owner: whose turn it uses.
        may_be_first: whether one image may take a slot that is reserved for first
            images.
        """
        assert token not in self._entries
        lanes = self._lanes.setdefault(model, _Lanes[Image]())
        self._entries[token] = lanes[priority].add(token, images, owner, may_be_first)

    def next_image(
        self, model: str, first_only: bool = False
    ) -> tuple[str, Image] | None:
        """Take the image that gets the next slot of this model: its job's token and the
        image; None if none waits.

        first_only: the slot is reserved for jobs without an image in a slot.
        """
        lanes = self._lanes.get(model)
        return None if lanes is None else lanes.next_image(first_only)

    def leave(self, token: str) -> None:
        """Note that an image of the job has left its slot; the job is forgotten after
        its last one."""
        if (entry := self._entries.get(token)) is None:
            return
        entry.seated -= 1
        if not entry.seated and not entry.waiting:
            del self._entries[token]

    def drop(self, token: str) -> None:
        """Forget the job and its waiting images, if it is known."""
        if (entry := self._entries.pop(token, None)) is not None:
            entry.lane.remove(token)

    def has_waiting(self, model: str) -> bool:
        """Return True if an image of this model waits for a slot."""
        return model in self._lanes and self._lanes[model].have_waiting()

    def __len__(self) -> int:
        return len(self._entries)
