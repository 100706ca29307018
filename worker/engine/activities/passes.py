"""Passes of a model between the steps of what is drawn: scores, verifications, receipts."""

from collections.abc import Callable
from typing import ClassVar

from worker.engine.activities.activity import Surroundings
from worker.engine.assessment import Assessment, Pass, pace_of
from worker.orders.claims import Outcome
from worker.orders.faults import scoring_failed
from worker.orders.pictures import PictureOrder

SCORING = ""
"""Name of scoring among those that take turns; no model has this name."""


class Passes:
    """score: one pass; None when another is needed."""

    orders: ClassVar[tuple[type, ...]] = (PictureOrder, Assessment)

    def __init__(self, around: Surroundings, score: Callable[[Pass], Outcome | None]) -> None:
        self._around = around
        self._score = score
        self._waiting: dict[str, Pass] = {}

    def busy(self) -> list[str]:
        return [SCORING] if self._waiting else []

    def accept(self, order: Pass) -> None:
        self._waiting[order.claim.token] = order

    def forget(self, token: str) -> None:
        self._waiting.pop(token, None)

    def turn(self, name: str) -> None:
        """One at a time: images that are being drawn wait for one pass at most."""
        self._around.pause()
        token = next(iter(self._waiting))
        task = self._waiting.pop(token)
        self._around.deadlines.begin(f"{pace_of(task)} of {task.model}")
        try:
            outcome = self._score(task)
        except Exception as error:  # the engine's edge: whatever breaks ends this job, and not the process
            self._around.broke_off(task, error, scoring_failed)
            return
        if outcome is None:
            self._waiting[token] = task  # behind the others that wait
        else:
            self._around.outlet.end(token, outcome)
