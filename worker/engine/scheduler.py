"""Which waiting image sits down next. Pure bookkeeping: no torch, no Redis, no clock, one thread.

Interactive and bulk jobs of a model take turns by their weights, and the jobs of each kind among themselves, image
by image. A job of one image does not wait behind a job of sixty-four, and no stream of small jobs stops a large one.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from worker.contract.jobs import Priority
from worker.engine.turns import Turns
from worker.orders.priorities import WEIGHTS

Image = TypeVar("Image")


@dataclass
class _Entry(Generic[Image]):
    model: str
    priority: Priority
    waiting: deque[Image]
    seated: int = 0


class _ModelTurns:
    """The turns of one model's slots: of priorities, and of the jobs of each."""

    def __init__(self) -> None:
        self._priorities = Turns()
        self._jobs = {priority: Turns() for priority in Priority}

    def take(self, waiting: Mapping[str, _Entry[Any]]) -> str:
        """The job whose image sits down, by its token. Of equals, the one with fewer images waiting."""
        asked = {entry.priority for entry in waiting.values()}
        priority = Priority(self._priorities.next([priority for priority in Priority if priority in asked]))
        self._priorities.charge(priority, 1 / WEIGHTS[priority])
        tokens = [token for token, entry in waiting.items() if entry.priority is priority]
        tokens.sort(key=lambda token: len(waiting[token].waiting))
        token = self._jobs[priority].next(tokens)
        self._jobs[priority].charge(token, 1)
        return token

    def forget(self, token: str, priority: Priority) -> None:
        self._jobs[priority].forget(token)


class Scheduler(Generic[Image]):
    """Waiting images by job (a claim's token) and model."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry[Image]] = {}
        self._waiting: dict[str, dict[str, _Entry[Image]]] = {}
        """Of each model, the jobs that have images waiting."""
        self._unseated: dict[str, dict[str, _Entry[Image]]] = {}
        """Those of them that have none seated. It is asked in every step whether there are any."""
        self._turns: dict[str, _ModelTurns] = {}

    def add(self, token: str, model: str, images: Iterable[Image], priority: Priority) -> None:
        """Queue a job's images, at least one; the token must be new."""
        assert token not in self._entries
        self._turns.setdefault(model, _ModelTurns())
        entry = self._entries[token] = _Entry(model, priority, deque(images))
        for jobs in (self._waiting, self._unseated):
            jobs.setdefault(model, {})[token] = entry

    def next_image(self, model: str, first_only: bool = False) -> tuple[str, Image] | None:
        """Take the image that sits down next in a slot of this model, or None when none waits.

        first_only: the slot is for jobs that have no image seated.
        """
        jobs = (self._unseated if first_only else self._waiting).get(model)
        if not jobs:
            return None
        token = self._turns[model].take(jobs)
        entry = self._entries[token]
        entry.seated += 1
        self._unseated[model].pop(token, None)
        image = entry.waiting.popleft()
        if not entry.waiting:
            del self._waiting[model][token]
        return token, image

    def leave(self, token: str) -> None:
        """An image of the job has left its slot; a job with none seated and none waiting is forgotten."""
        if (entry := self._entries.get(token)) is None:
            return
        entry.seated -= 1
        if entry.seated:
            return
        if entry.waiting:
            self._unseated[entry.model][token] = entry
        else:
            self.drop(token)

    def drop(self, token: str) -> None:
        """Forget the job and all that waits of it."""
        if (entry := self._entries.pop(token, None)) is not None:
            self._waiting[entry.model].pop(token, None)
            self._unseated[entry.model].pop(token, None)
            self._turns[entry.model].forget(token, entry.priority)

    def has_waiting(self, model: str) -> bool:
        return bool(self._waiting.get(model))

    def __len__(self) -> int:
        return len(self._entries)
