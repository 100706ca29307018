"""Images in slots: seat those that wait, advance a model by some steps, hand the new rows on."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from worker.engine.activities.activity import Surroundings
from worker.engine.assessment import Assessment
from worker.engine.cohort import Cohort, CohortRow
from worker.engine.drawings import Drawing, Drawings
from worker.engine.scheduler import Scheduler
from worker.engine.stored import drawn
from worker.orders.drawing import DrawOrder
from worker.orders.faults import drawing_failed
from worker.orders.images import PlannedImage

TURN_S = 0.003
"""How long a model draws, at the least, before others have their turn and new rows go out, which costs as much for one
step as for several."""

FULL_TURN_S = 0.006
"""The same while no slot is free: whoever comes could not begin sooner."""


class Slots:
    """cohorts: one for each loaded model. assess: what is done with a job's images that are looked at afterwards."""

    orders: ClassVar[tuple[type, ...]] = (DrawOrder,)

    def __init__(
        self, around: Surroundings, cohorts: Mapping[str, Cohort], assess: Callable[[Assessment], None]
    ) -> None:
        self._around = around
        self._cohorts = dict(cohorts)
        self._assess = assess
        self._scheduler: Scheduler[PlannedImage] = Scheduler()
        self._drawings = Drawings(self._scheduler, around.outlet.publish)

    def busy(self) -> list[str]:
        return [name for name, cohort in self._cohorts.items() if cohort.busy or self._scheduler.has_waiting(name)]

    def add(self, name: str, cohort: Cohort) -> None:
        self._cohorts[name] = cohort

    def rest(self, name: str) -> None:
        """Free the memory of a model's slots, where nobody sits."""
        self._cohorts[name].rest()

    def prepare(self, name: str) -> None:
        self._cohorts[name].prepare()

    def accept(self, order: DrawOrder) -> None:
        drawing = Drawing.of(order)
        if order.images:
            self._drawings.begin(drawing)
        else:
            self._all_drawn(drawing)

    def orders_under(self, name: str) -> list[DrawOrder]:
        return self._drawings.orders_of(name)

    def forget(self, token: str) -> None:
        if (order := self._drawings.forget(token)) is not None:
            self._cohorts[order.model].withdraw(token)

    def turn(self, name: str) -> None:
        """Steps of one model, for as long as a turn lasts; their rows are handed on together."""
        cohort = self._cohorts[name]
        self._seat_waiting(name, cohort)
        self._around.deadlines.begin(name, cohort.busy, self._drawings.deaths)
        rows: list[CohortRow] = []
        until = time.perf_counter() + (TURN_S if cohort.free else FULL_TURN_S)
        try:
            while cohort.busy:
                rows += self._step(name, cohort)
                if time.perf_counter() > until:
                    break
                self._seat_waiting(name, cohort)
        except Exception as error:  # the engine's edge: whatever breaks ends these jobs, and not the process
            self._hand_on(rows)
            for token in cohort.renew():
                self._fail(token, error)
        else:
            self._hand_on(rows)
        if name not in self._around.served and not self._scheduler.has_waiting(name):
            cohort.rest()

    def _step(self, name: str, cohort: Cohort) -> list[CohortRow]:
        began, busy = time.perf_counter(), cohort.busy
        new = cohort.step()
        self._around.usage[name].step(time.perf_counter() - began, busy, len(new), left=busy - cohort.busy)
        if new:
            self._around.pause()
        return new

    def _seat_waiting(self, name: str, cohort: Cohort) -> None:
        while cohort.free and (found := self._scheduler.next_image(name, cohort.only_express)) is not None:
            token, image = found
            try:
                cohort.seat(token, image)
            except Exception as error:  # the engine's edge: it would not take this image
                self._fail(token, error)

    def _hand_on(self, rows: Sequence[CohortRow]) -> None:
        for drawing in self._drawings.hand_on(rows):
            self._all_drawn(drawing)

    def _all_drawn(self, drawing: Drawing) -> None:
        order, images = drawing.order, drawing.images
        if images is None:
            self._around.outlet.end(order.claim.token, drawn(order.labelling))
        else:
            self._assess(
                Assessment(order.claim, order.model, images, order.rank, order.label, order.hole, values=order.values)
            )

    def _fail(self, token: str, error: Exception) -> None:
        order = self._drawings.order_of(token)
        self.forget(token)
        self._around.broke_off(order, error, drawing_failed)
