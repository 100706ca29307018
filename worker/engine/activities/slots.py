"""Images in slots: give waiting images a slot, advance a model by some steps, and
publish the new rows."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from worker.contract.size import PUT_OFF
from worker.engine.activities.activity import Surroundings
from worker.engine.assessment import Assessment
from worker.engine.cohort import Cohort, CohortRow
from worker.engine.scheduler import Scheduler
from worker.engine.stored import drawn_outcome
from worker.orders.drawing import DrawOrder
from worker.orders.faults import drawing_failed
from worker.orders.images import NewRow, PlannedImage, pixel_of_value

TURN_S = 0.003
"""Seconds for which a model draws at least before others have a turn and new rows are
sent, which costs as much for one step as for several."""

MOST_WIDTHS = 2
"""Most widths of fields that a model draws at once; each has an engine of its own."""

FULL_TURN_S = 0.006
"""The same while no slot is free: then a new image could not begin sooner anyway."""


@dataclass
class _Job:
    """A job of which some images are not drawn yet."""

    order: DrawOrder
    images_left: int
    """Number of images that are not complete."""
    pixel_of_value: bytes
    """Table for bytes.translate: value -> pixel byte."""
    images: NDArray[np.integer] | None
    """All images of the job as values (n, C, H, W), if they are scored or get a receipt
    at the end; rows are filled in as they are drawn. Else None."""
    log_p: dict[int, float] = field(default_factory=dict)
    """ln p of the complete images, by index, if that was asked for."""

    @classmethod
    def of(cls, order: DrawOrder) -> "_Job":
        drawn = None if order.drawn is None else order.drawn.copy()
        return cls(order, len(order.images), pixel_of_value(order.values), drawn)


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
        self._jobs: dict[str, _Job] = {}
        """The jobs that are being drawn, by their claims' tokens."""

    def busy(self) -> list[str]:
        """Return the names of the cohorts that have work. First remove cohorts of
        fields that draw nothing, and make those for which jobs wait."""
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
        """Let the images of orders with this name of seats be drawn in a cohort."""
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
        """Queue a job's images. A job without an image left to draw ends at once.

        A job of fields (larger pictures) gets slots for its width. If none is free, it
        waits, and its progress is reported as PUT_OFF. Raises ModelError if the slots
        do not fit into memory.
        """
        self._begin(order)
        if self._later and self._later[-1] is order:
            self._around.outlet.progress(order.claim.token, PUT_OFF)

    def _begin(self, order: DrawOrder) -> None:
        if not order.images:
            self._all_drawn(_Job.of(order))
        elif order.width and not self._has_width(order):
            self._later.append(order)
        else:
            claim = order.claim
            self._jobs[claim.token] = _Job.of(order)
            self._scheduler.add(
                claim.token,
                order.seats,
                order.images,
                order.priority,
                claim.owner,
                may_be_first=claim.part == 0,
            )

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
        """The orders whose images are drawn in the cohort of this name."""
        return [job.order for job in self._jobs.values() if job.order.seats == name]

    def models(self) -> set[str]:
        """Names of the models that its orders need, begun or not."""
        begun = [job.order for job in self._jobs.values()]
        return {order.model for order in (*begun, *self._later)}

    def forget(self, token: str) -> None:
        """Drop the job of this claim, and free its slots."""
        self._later = [order for order in self._later if order.claim.token != token]
        job = self._jobs.pop(token, None)
        if job is not None:
            self._scheduler.drop(token)
            self._cohorts[job.order.seats].withdraw(token)

    def turn(self, name: str) -> None:
        """Draw steps of one model for the length of a turn, and publish their rows
        together."""
        cohort = self._cohorts[name]
        self._seat_waiting(name, cohort)
        self._begin_deadline(name, cohort)
        rows: list[CohortRow] = []
        until = time.perf_counter() + (TURN_S if cohort.free else FULL_TURN_S)
        try:
            while cohort.busy:
                rows += self._step(name, cohort)
                if time.perf_counter() > until:
                    break
                if self._seat_waiting(name, cohort):
                    self._begin_deadline(name, cohort)
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

    def _begin_deadline(self, name: str, cohort: Cohort) -> None:
        deaths = [job.order.claim.deaths for job in self._jobs.values()]
        self._around.deadlines.begin(name, cohort.load, max(deaths, default=0))

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
        """Publish new rows, all at once, and end jobs whose last image is complete."""
        new: defaultdict[str, list[NewRow]] = defaultdict(list)
        left: list[str] = []
        for seat, row in rows:
            token = seat.token
            job = self._jobs.get(token)
            if job is None:  # another image of the job has failed meanwhile
                continue
            if row.log_p is not None:
                job.log_p[seat.sample] = row.log_p
            if seat.is_published:
                left.append(token)
                continue
            if job.images is not None and not row.of_small:
                job.images[seat.sample, :, row.y] = row.values
            # As row_pixels does; with twenty thousand rows per second, the call itself
            # would cost as much as the work.
            pixels = row.values.T.tobytes().translate(job.pixel_of_value)
            new[token].append((seat.sample, row.y, pixels, row.of_small))
            if row.is_last:
                left.append(token)
        if new:
            self._around.outlet.publish(new)
        for token in left:
            self._scheduler.leave(token)
            job = self._jobs[token]
            job.images_left -= 1
            if not job.images_left:
                del self._jobs[token]
                self._all_drawn(job)

    def _all_drawn(self, job: _Job) -> None:
        order = job.order
        if job.images is None:
            self._around.outlet.end(order.claim.token, drawn_outcome(order, job.log_p))
            return
        self._assess(
            Assessment(
                order.claim,
                order.model,
                job.images,
                order.rank,
                order.label,
                order.hole,
                values=order.values,
            )
        )

    def _fail(self, token: str, error: Exception) -> None:
        order = self._jobs[token].order
        self.forget(token)
        self._around.report_failure(order, error, drawing_failed)
