"""The jobs whose images are being drawn in slots: their new rows become bytes and are
published."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from worker.engine.cohort import CohortRow
from worker.engine.scheduler import Scheduler
from worker.orders.drawing import DrawOrder
from worker.orders.images import NewRow, PlannedImage, pixel_of_value

Publish = Callable[[Mapping[str, Sequence[NewRow]]], None]
"""Publishes rows: token -> rows."""


@dataclass
class Drawing:
    """A job of which some images are not drawn yet."""

    order: DrawOrder
    """The job's order."""
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
    def of(cls, order: DrawOrder) -> "Drawing":
        """Return the drawing for an order, with its images as earlier attempts left
        them."""
        drawn = None if order.drawn is None else order.drawn.copy()
        return cls(order, len(order.images), pixel_of_value(order.values), drawn)


class Drawings:
    """The jobs that are being drawn, by their claims' tokens."""

    def __init__(self, scheduler: Scheduler[PlannedImage], publish: Publish) -> None:
        """scheduler: where images wait for slots."""
        self._scheduler = scheduler
        self._publish = publish
        self._open: dict[str, Drawing] = {}

    def __len__(self) -> int:
        return len(self._open)

    @property
    def deaths(self) -> int:
        """The largest `Claim.deaths` of the jobs; 0 if there are none."""
        return max(
            (drawing.order.claim.deaths for drawing in self._open.values()), default=0
        )

    def begin(self, drawing: Drawing) -> None:
        """Add a job and queue its images, at least one, for slots."""
        order = drawing.order
        self._open[order.claim.token] = drawing
        is_first = order.claim.part == 0
        self._scheduler.add(
            order.claim.token,
            order.seats,
            order.images,
            order.priority,
            order.claim.owner,
            is_first,
        )

    def order_of(self, token: str) -> DrawOrder:
        return self._open[token].order

    def orders_of(self, seats: str) -> list[DrawOrder]:
        """Return the orders whose images these slots (`DrawOrder.seats`) draw."""
        return [
            drawing.order
            for drawing in self._open.values()
            if drawing.order.seats == seats
        ]

    def models(self) -> set[str]:
        """Return the engine's names of the models that draw them."""
        return {drawing.order.model for drawing in self._open.values()}

    def forget(self, token: str) -> DrawOrder | None:
        """Remove a job and its waiting images. Return its order, or None if it is not
        drawn here."""
        drawing = self._open.pop(token, None)
        if drawing is None:
            return None
        self._scheduler.drop(token)
        return drawing.order

    def hand_on(self, rows: Sequence[CohortRow]) -> list[Drawing]:
        """Publish new rows, all at once. Return the jobs whose last image is complete
        now; they are removed."""
        new: defaultdict[str, list[NewRow]] = defaultdict(list)
        left: list[str] = []
        for seat, row in rows:
            token = seat.token
            drawing = self._open.get(token)
            if drawing is None:  # another image of the job has failed meanwhile
                continue
            if row.log_p is not None:
                drawing.log_p[seat.sample] = row.log_p
            if seat.is_published:
                left.append(token)
                continue
            if drawing.images is not None and not row.of_small:
                drawing.images[seat.sample, :, row.y] = row.values
            # As row_pixels does; with twenty thousand rows per second, the call itself
            # would cost as much as the work.
            pixels = row.values.T.tobytes().translate(drawing.pixel_of_value)
            new[token].append((seat.sample, row.y, pixels, row.of_small))
            if row.is_last:
                left.append(token)
        if new:
            self._publish(new)
        return [
            drawing
            for token in left
            if (drawing := self._image_left(token)) is not None
        ]

    def _image_left(self, token: str) -> Drawing | None:
        self._scheduler.leave(token)
        drawing = self._open[token]
        drawing.images_left -= 1
        return None if drawing.images_left else self._open.pop(token)
