"""Passes of a model between the steps of what is drawn: scores, verifications, receipts, classifications."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from model_core.sampling.compiled.threads import run_together, threads_in_use
from worker.engine.activities.activity import Surroundings
from worker.engine.assessment import Assessment, Pass, Started, pace_of
from worker.orders.claims import Outcome
from worker.orders.faults import scoring_failed
from worker.orders.pictures import PictureOrder

SHARE_TOLD = 0.01
"""How much more of a job must be done before it is told again."""

Found = Outcome | Started | float | None
"""What came of a pass: see `assessment.passed`."""
Score = Callable[[Pass], Found]

SCORING = ""
"""Name of scoring among those that take turns; no model has this name."""


class Passes:
    """score: one pass, as `assessment.passed` has it; called in several threads."""

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
        """One in each thread: images that are being drawn wait for one pass at most.

        Each picture is passed by itself: the last digits of torch's products may depend on what else is in a batch.
        """
        self._around.pause()
        tasks = {token: self._waiting[token] for token in self._next_ones()}
        first = next(iter(tasks.values()))
        self._around.deadlines.begin(
            f"{pace_of(first)} of {first.model}",
            deaths=max(task.claim.deaths for task in tasks.values()),
        )
        for token in tasks:
            del self._waiting[token]
        results = self._passed(list(tasks.values()))
        for (token, task), found in zip(tasks.items(), results, strict=True):
            self._follow(token, task, found)

    def _passed(self, tasks: Sequence[Pass]) -> "list[Found | Exception]":
        """Make a pass of each task, at the same time; what one raises stands in its place."""
        found: list[Found | Exception] = [None] * len(tasks)

        def call(number: int) -> int:
            try:
                found[number] = self._score(tasks[number])
            except Exception as error:  # the engine's edge: whatever breaks ends this job, and not the process
                found[number] = error
            return 0

        calls = [partial(call, number) for number in range(len(tasks))]
        run_together(calls[:1], calls[1:])
        return found

    def _follow(self, token: str, task: Pass, found: "Found | Exception") -> None:
        if isinstance(found, Exception):
            self._around.broke_off(task, found, scoring_failed)
            return
        if isinstance(found, Outcome):
            self._around.outlet.end(token, found)
            return
        self._waiting[token] = (
            found if isinstance(found, Started) else task
        )  # behind the others
        if isinstance(task, Started) and isinstance(found, float):
            self._tell(task, found)

    def _next_ones(self) -> list[str]:
        """The tasks of a turn: the first that waits, and if it is a short one others of its kind and model, as many as
        there are threads for."""
        first = self._next()
        if not _is_short(self._waiting[first]):
            return [first]
        like = _likeness(self._waiting[first])
        others = [
            token
            for token, task in self._waiting.items()
            if token != first and _is_short(task) and _likeness(task) == like
        ]
        return [first, *others[: threads_in_use() - 1]]

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


def _is_short(task: Pass) -> bool:
    """A picture that has not been begun, and holds no memory for long."""
    return isinstance(task, PictureOrder) and not task.job.options.is_long


def _likeness(task: Pass) -> tuple[str, str]:
    """What passes have in common that take about as long."""
    return pace_of(task), task.model


def _begins_long(task: Pass) -> bool:
    return isinstance(task, PictureOrder) and task.job.options.is_long
