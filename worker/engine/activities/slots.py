"""Images in slots: seat those that wait, advance a model by some steps, hand the new rows on."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from worker.contract.size import PUT_OFF
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

MOST_WIDTHS = 2
"""Widths of fields that a model draws at once: each has an engine of its own."""

FULL_TURN_S = 0.006
"""The same while no slot is free: whoever comes could not begin sooner."""


class Slots:
    """cohorts: one for each loaded model. assess: what is done with a job's images that are looked at afterwards.
    field_cohort(name, width): slots for fields of a model, of MOST_WIDTHS at once; further widths wait."""

    orders: ClassVar[tuple[type, ...]] = (DrawOrder,)

    def __init__(
        self,
        around: Surroundings,
        cohorts: Mapping[str, Cohort],
        assess: Callable[[Assessment], None],
        field_cohort: Callable[[str, int], Cohort] | None = None,
    ) -> None:
        self._field_cohort = field_cohort
        self._widths: dict[str, str] = {}  # the model of each cohort for fields
        self._later: list[DrawOrder] = []  # fields of further widths
        self._around = around
        self._cohorts = dict(cohorts)
        self._assess = assess
        self._scheduler: Scheduler[PlannedImage] = Scheduler()
        self._drawings = Drawings(self._scheduler, around.outlet.publish)

    def busy(self) -> list[str]:
        if self._widths:
            self._exchange_widths()
        return [name for name in self._cohorts if self._is_busy(name)]

    def _is_busy(self, name: str) -> bool:
        return self._cohorts[name].busy > 0 or self._scheduler.has_waiting(name)

    def _exchange_widths(self) -> None:
        """Widths that nobody draws any more leave their place to those that wait, in their order."""
        for name in [name for name in self._widths if not self._is_busy(name)]:
            del self._cohorts[name], self._widths[name]
        waiting, self._later = self._later, []
        for order in waiting:
            try:
                self._begin(order)
            except Exception as error:  # the engine's edge: there are no such slots
                self._around.broke_off(order, error, drawing_failed)

    def __contains__(self, name: str) -> bool:
        """Return True if there are slots for this model."""
        return name in self._cohorts

    def add(self, name: str, cohort: Cohort) -> None:
        self._cohorts[name] = cohort

    def remove(self, name: str) -> None:
        """Forget a model that no order uses, and its slots for fields."""
        self._cohorts.pop(name, None)
        for seats in [seats for seats, model in self._widths.items() if model == name]:
            del self._cohorts[seats], self._widths[seats]

    def rest(self, name: str) -> None:
        """Free the memory of a model's slots, where nobody sits; a model may have been unloaded before."""
        if name in self._cohorts:
            self._cohorts[name].rest()

    def prepare(self, name: str) -> None:
        self._cohorts[name].prepare()

    def accept(self, order: DrawOrder) -> None:
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
        """Are there slots for fields of this width, made now where there is place for them? Who comes later than one
        that waits for a place waits too."""
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
        """Steps of one model, for as long as a turn lasts; their rows are handed on together."""
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
                self._seat_waiting(name, cohort)
        except Exception as error:  # the engine's edge: whatever breaks ends these jobs, and not the process
            self._hand_on(rows)
            for token in cohort.renew():
                self._fail(token, error)
        else:
            self._hand_on(rows)
        if self._model(
            name
        ) not in self._around.served and not self._scheduler.has_waiting(name):
            cohort.rest()

    def _model(self, name: str) -> str:
        """The model that these slots draw."""
        return self._widths.get(name, name)

    def _step(self, name: str, cohort: Cohort) -> list[CohortRow]:
        began, busy = time.perf_counter(), cohort.busy
        new = cohort.step()
        self._around.usage[self._model(name)].step(
            time.perf_counter() - began, busy, len(new), left=busy - cohort.busy
        )
        if new:
            self._around.pause()
        return new

    def _seat_waiting(self, name: str, cohort: Cohort) -> None:
        while (
            cohort.free
            and (found := self._scheduler.next_image(name, cohort.only_express))
            is not None
        ):
            token, image = found
            try:
                cohort.seat(token, image)
            except (
                Exception
            ) as error:  # the engine's edge: it would not take this image
                self._fail(token, error)

    def _hand_on(self, rows: Sequence[CohortRow]) -> None:
        for drawing in self._drawings.hand_on(rows):
            self._all_drawn(drawing)

    def _all_drawn(self, drawing: Drawing) -> None:
        order, images = drawing.order, drawing.images
        if images is None:
            self._around.outlet.end(order.claim.token, drawn(order, drawing.log_p))
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
        self._around.broke_off(order, error, drawing_failed)
