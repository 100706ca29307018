"""Passes of a model between the steps of what is drawn: scores, verifications, receipts, classifications."""

from collections.abc import Callable
from typing import ClassVar

from worker.engine.activities.activity import Surroundings
from worker.engine.assessment import Assessment, Pass, Started, pace_of
from worker.orders.claims import Outcome
from worker.orders.faults import scoring_failed
from worker.orders.pictures import PictureOrder

SHARE_TOLD = 0.01
"""How much more of a job must be done before it is told again."""

Score = Callable[[Pass], Outcome | Started | float | None]

SCORING = ""
"""Name of scoring among those that take turns; no model has this name."""


class Passes:
    """score: one pass, as `assessment.passed` has it."""

    orders: ClassVar[tuple[type, ...]] = (PictureOrder, Assessment)

    def __init__(self, around: Surroundings, score: Score) -> None:
        self._around = around
        self._score = score
        self._waiting: dict[str, Pass] = {}

    def busy(self) -> list[str]:
        return [SCORING] if self._waiting else []

    def accept(self, order: Pass) -> None:
        self._waiting[order.claim.token] = order

    def orders_under(self, name: str) -> list[Pass]:
        return list(self._waiting.values())

    def models(self) -> set[str]:
        found = {task.model for task in self._waiting.values()}
        for task in self._waiting.values():
            order = task.order if isinstance(task, Started) else task
            if isinstance(order, PictureOrder):
                found.add(order.job.options.second_model)
        return found - {""}

    def forget(self, token: str) -> None:
        self._waiting.pop(token, None)

    def turn(self, name: str) -> None:
        """One at a time: images that are being drawn wait for one pass at most."""
        self._around.pause()
        token = self._next()
        task = self._waiting.pop(token)
        self._around.deadlines.begin(
            f"{pace_of(task)} of {task.model}", deaths=task.claim.deaths
        )
        try:
            found = self._score(task)
        except Exception as error:  # the engine's edge: whatever breaks ends this job, and not the process
            self._around.broke_off(task, error, scoring_failed)
            return
        if isinstance(found, Outcome):
            self._around.outlet.end(token, found)
            return
        self._waiting[token] = (
            found if isinstance(found, Started) else task
        )  # behind the others
        if isinstance(task, Started) and isinstance(found, float):
            self._tell(task, found)

    def _next(self) -> str:
        """The first that waits, but for long ones while another of these is under way: each of them holds memory."""
        is_free = not any(
            isinstance(task, Started) and task.order.job.options.is_long
            for task in self._waiting.values()
        )
        return next(
            token
            for token, task in self._waiting.items()
            if is_free or not _begins_long(task)
        )

    def _tell(self, task: Started, share: float) -> None:
        if share >= task.told + SHARE_TOLD:
            task.told = share
            self._around.outlet.progress(task.claim.token, share)


def _begins_long(task: Pass) -> bool:
    return isinstance(task, PictureOrder) and task.job.options.is_long
