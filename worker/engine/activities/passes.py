"""Passes of a model between the steps of drawing: scores, verifications, receipts and
classifications."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import ClassVar

from model_core.sampling.compiled.threads import run_together, threads_in_use
from worker.engine.activities.activity import Surroundings
from worker.engine.assessment import Assessment, Pass, StartedJob, pace_of
from worker.orders.claims import Outcome
from worker.orders.faults import scoring_failed
from worker.orders.pictures import PictureOrder

SHARE_STEP = 0.01
"""Progress of a job is reported if it has grown by this much since the last report, 0
to 1."""

PassResult = Outcome | StartedJob | float | None
"""The result of a pass, see `assessment.make_pass`."""
Score = Callable[[Pass], PassResult]
"""Makes one pass."""

SCORING = ""
"""The name under which this activity has work; no model has this name."""


class Passes:
    """The Activity (activity.py) of scoring images and answering questions about
    pictures."""

    orders: ClassVar[tuple[type, ...]] = (PictureOrder, Assessment)

    def __init__(
        self,
        around: Surroundings,
        score: Score,
        most: Callable[[str], int] = lambda model: threads_in_use(),
    ) -> None:
        """score: makes one pass; called in several threads.
        most(model): how many pictures of a model may be scored at once; default: as
            many as there are threads."""
        self._around = around
        self._most = most
        self._score = score
        self._waiting: dict[str, Pass] = {}

    def busy(self) -> list[str]:
        """The name SCORING while a pass waits, else nothing."""
        return [SCORING] if self._waiting else []

    def accept(self, order: Pass) -> None:
        """Queue an order."""
        self._waiting[order.claim.token] = order

    def orders_under(self, name: str) -> list[Pass]:
        """All orders that wait."""
        return list(self._waiting.values())

    def models(self) -> set[str]:
        """Names of the models that its orders need, second models included."""
        found = {task.model for task in self._waiting.values()}
        for task in self._waiting.values():
            order = task.order if isinstance(task, StartedJob) else task
            if isinstance(order, PictureOrder):
                found.add(order.job.options.second_model)
        return found - {""}

    def forget(self, token: str) -> None:
        """Drop the order of this claim, begun or not."""
        self._waiting.pop(token, None)

    def turn(self, name: str) -> None:
        """Make one pass of the first waiting task. If it is short, other short tasks of
        its kind and model are done at the same time, in the other drawing threads."""
        self._around.pause()
        # One pass at a time, so that images which are being drawn do not wait longer.
        # Each picture has its own, because the last digits of torch's products may
        # depend on the other pictures of a batch.
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

    def _passed(self, tasks: Sequence[Pass]) -> "list[PassResult | Exception]":
        """Make a pass of each task, at the same time. The result of a task that raises
        is its error."""
        found: list[PassResult | Exception] = [None] * len(tasks)

        def call(number: int) -> int:
            try:
                found[number] = self._score(tasks[number])
            except Exception as error:
                # Any error ends this job, and not the process with all others.
                found[number] = error
            return 0

        calls = [partial(call, number) for number in range(len(tasks))]
        run_together(calls[:1], calls[1:])
        return found

    def _follow(self, token: str, task: Pass, found: "PassResult | Exception") -> None:
        if isinstance(found, Exception):
            self._around.report_failure(task, found, scoring_failed)
            return
        if isinstance(found, Outcome):
            self._around.outlet.end(token, found)
            return
        # It goes behind the others, so that they have a turn first.
        self._waiting[token] = found if isinstance(found, StartedJob) else task
        if isinstance(task, StartedJob) and isinstance(found, float):
            self._report(task, found)

    def _next_ones(self) -> list[str]:
        """Return the tokens of the next turn: the first waiting task and, if it is
        short, others like it, as many as there are threads."""
        first = self._next()
        if not _is_short(self._waiting[first]):
            return [first]
        like = _likeness(self._waiting[first])
        others = (
            token
            for token, task in self._waiting.items()
            if token != first and _is_short(task) and _likeness(task) == like
        )
        most = min(threads_in_use(), self._most(self._waiting[first].model))
        return [first, *islice(others, most - 1)]

    def _next(self) -> str:
        # Long tasks wait for each other, because each holds memory.
        is_free = not any(
            isinstance(task, StartedJob) and task.order.job.options.is_long
            for task in self._waiting.values()
        )
        return next(
            token
            for token, task in self._waiting.items()
            if is_free or not _begins_long(task)
        )

    def _report(self, task: StartedJob, share: float) -> None:
        if share >= task.reported + SHARE_STEP:
            task.reported = share
            self._around.outlet.progress(task.claim.token, share)


def _is_short(task: Pass) -> bool:
    return isinstance(task, PictureOrder) and not task.job.options.is_long


def _likeness(task: Pass) -> tuple[str, str]:
    return pace_of(task), task.model


def _begins_long(task: Pass) -> bool:
    return isinstance(task, PictureOrder) and task.job.options.is_long
