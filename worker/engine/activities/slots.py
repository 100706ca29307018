"""Images in slots: give waiting images a slot, advance a model by some steps, and
publish the new rows."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from worker.contract.size import PUT_OFF
from worker.engine.activities.activity import Surroundings
from worker.engine.assessment import Assessment
from worker.engine.cohort import Cohort, CohortRow
from worker.engine.drawings import Drawing, Drawings
from worker.engine.scheduler import Scheduler
from worker.engine.stored import drawn_outcome
from worker.orders.drawing import DrawOrder
from worker.orders.faults import drawing_failed
from worker.orders.images import PlannedImage

TURN_S = 0.003
"""Seconds for which a model draws at least before others have a turn and new rows are
sent, which costs as much for one step as for several."""

MOST_WIDTHS = 2
"""Most widths of fields that a model draws at once; each has an engine of its own."""

FULL_TURN_S = 0.006
"""The same while no slot is free: then a new image could not begin sooner anyway."""


class Slots:
    """The activity of drawing images in slots. A cohort holds the images that are drawn
    together; each model has one, and each width of its fields."""

    orders: ClassVar[tuple[type, ...]] = (DrawOrder,)

    def __init__(
        self,
        around: Surroundings,
        cohorts: Mapping[str, Cohort],
        assess: Callable[[Assessment], None],
        field_cohort: Callable[[str, int], Cohort] | None = None,
    ) -> None:
        """cohorts: of each loaded model, by name. assess: takes the images of jobs that
        are scored or get a receipt at the end. field_cohort(name, width): makes a
        cohort for fields of a model; MOST_WIDTHS of a model exist at once, and jobs of
        further widths wait."""
        self._field_cohort = field_cohort
        self._widths: dict[str, str] = {}
        """Cohorts for fields, by `DrawOrder.seats` -> their models."""
        self._later: list[DrawOrder] = []
        """Jobs of fields whose width waits for a place."""
        self._around = around
        self._cohorts = dict(cohorts)
        self._assess = assess
        self._scheduler: Scheduler[PlannedImage] = Scheduler()
        self._drawings = Drawings(self._scheduler, around.outlet.publish)

    def busy(self) -> list[str]:
        """Return the names of the cohorts that have work, after cohorts of fields were
        exchanged: those that draw nothing are removed, and waiting jobs get theirs."""
        if self._widths:
            self._exchange_widths()
        return [name for name in self._cohorts if self._is_busy(name)]

    def _is_busy(self, name: str) -> bool:
        return self._cohorts[name].busy > 0 or self._scheduler.has_waiting(name)

    def _exchange_widths(self) -> None:
        for name in [name for name in self._widths if not self._is_busy(name)]:
            del self._cohorts[name], self._widths[name]
        waiting = self._later
        self._later = []
        for order in waiting:
            try:
                self._begin(order)
            except Exception as error:
                # There may be no memory for such slots; only this job fails.
                self._around.report_failure(order, error, drawing_failed)

    def __contains__(self, name: str) -> bool:
        return name in self._cohorts

    def add(self, name: str, cohort: Cohort) -> None:
        self._cohorts[name] = cohort

    def remove(self, name: str) -> None:
        """Remove the cohorts of a model that no order uses."""
        self._cohorts.pop(name, None)
        for seats in [seats for seats, model in self._widths.items() if model == name]:
            del self._cohorts[seats], self._widths[seats]

    def free_if_idle(self, name: str) -> None:
        """Free the memory of a model's slots if no image is in them. Slots for fields
        are removed by `busy` instead."""
        if name in self._cohorts:
            self._cohorts[name].free_if_idle()

    def prepare(self, name: str) -> None:
        """Make the model's engine now, and not when its first image comes."""
        self._cohorts[name].prepare()

    def accept(self, order: DrawOrder) -> None:
        """Queue a job's images. A job without an image left to draw ends at once. A job
        of fields gets slots for its width, or waits for a place and reports a progress
        of PUT_OFF; raises ModelError if they do not fit into memory."""
        self._begin(order)
        if self._later and self._later[-1] is order:
            self._around.outlet.progress(order.claim.token, PUT_OFF)

    def _begin(self, order: DrawOrder) -> None:
        drawing = Drawing.of(order)
        if order.width and order.images and not self._has_width(order):
            self._later.append(order)
        elif order.images:
            self._drawings.begin(drawing)
        else:
            self._all_drawn(drawing)

    def _has_width(self, order: DrawOrder) -> bool:
        """Return True if there are slots for fields of this width; make them if a place
        is free."""
        # Waiting jobs of the same model go first.
        if any(other.model == order.model for other in self._later):
            return False
        if order.seats not in self._cohorts:
            if [*self._widths.values()].count(order.model) >= MOST_WIDTHS:
                return False
            assert self._field_cohort is not None
            self._cohorts[order.seats] = self._field_cohort(order.model, order.width)
            self._widths[order.seats] = order.model
        return True

    def orders_under(self, name: str) -> list[DrawOrder]:
        return self._drawings.orders_of(name)

    def models(self) -> set[str]:
        return self._drawings.models() | {order.model for order in self._later}

    def forget(self, token: str) -> None:
        self._later = [order for order in self._later if order.claim.token != token]
        if (order := self._drawings.forget(token)) is not None:
            self._cohorts[order.seats].withdraw(token)

    def turn(self, name: str) -> None:
        """Draw steps of one model for the length of a turn, and publish their rows
        together."""
        cohort = self._cohorts[name]
        self._seat_waiting(name, cohort)
        self._around.deadlines.begin(name, cohort.load, self._drawings.deaths)
        rows: list[CohortRow] = []
        until = time.perf_counter() + (TURN_S if cohort.free else FULL_TURN_S)
        try:
            while cohort.busy:
                rows += self._step(name, cohort)
                if time.perf_counter() > until:
                    break
                if self._seat_waiting(name, cohort):
                    self._around.deadlines.begin(
                        name, cohort.load, self._drawings.deaths
                    )
        except Exception as error:
            # Any error ends these jobs, and not the process with all others.
            self._hand_on(rows)
            for token in cohort.clear():
                self._fail(token, error)
        else:
            self._hand_on(rows)
        if self._model(
            name
        ) not in self._around.served and not self._scheduler.has_waiting(name):
            cohort.free_if_idle()

    def _model(self, name: str) -> str:
        return self._widths.get(name, name)

    def _step(self, name: str, cohort: Cohort) -> list[CohortRow]:
        began = time.perf_counter()
        busy = cohort.busy
        new = cohort.step()
        self._around.usage[self._model(name)].step(
            time.perf_counter() - began, busy, len(new), left=busy - cohort.busy
        )
        if new:
            self._around.pause()
        return new

    def _seat_waiting(self, name: str, cohort: Cohort) -> bool:
        """Give free slots to waiting images; return True if there was one. Sets the
        deadline of opening."""
        has_found = False
        while cohort.free:
            found = self._scheduler.next_image(name, cohort.only_express)
            if found is None:
                break
            has_found = True
            token, image = found
            # If its label is to be chosen, that takes a pass for each label.
            self._around.deadlines.opening()
            try:
                cohort.seat(token, image)
            except Exception as error:
                # The engine refused this image; the others go on.
                self._fail(token, error)
        return has_found

    def _hand_on(self, rows: Sequence[CohortRow]) -> None:
        for drawing in self._drawings.hand_on(rows):
            self._all_drawn(drawing)

    def _all_drawn(self, drawing: Drawing) -> None:
        order = drawing.order
        images = drawing.images
        if images is None:
            self._around.outlet.end(
                order.claim.token, drawn_outcome(order, drawing.log_p)
            )
        else:
            self._assess(
                Assessment(
                    order.claim,
                    order.model,
                    images,
                    order.rank,
                    order.label,
                    order.hole,
                    values=order.values,
                )
            )

    def _fail(self, token: str, error: Exception) -> None:
        order = self._drawings.order_of(token)
        self.forget(token)
        self._around.report_failure(order, error, drawing_failed)
