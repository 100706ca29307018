"""The jobs whose images are drawn: new rows become bytes and go out, and an image that is done leaves its place."""

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


@dataclass
class Drawing:
    """A job of which some images are not drawn yet."""

    order: DrawOrder
    images_left: int
    pixel_of_value: bytes
    """Table for bytes.translate: the pixel of each value."""
    images: NDArray[np.integer] | None
    """All of the job's images, where they are looked at afterwards: rows are put in as they are drawn."""
    log_p: dict[int, float] = field(default_factory=dict)
    """ln p of the images that are drawn, by their numbers, if that was asked for."""

    @classmethod
    def of(cls, order: DrawOrder) -> "Drawing":
        drawn = None if order.drawn is None else order.drawn.copy()
        return cls(order, len(order.images), pixel_of_value(order.values), drawn)


class Drawings:
    """Images under way, by their claim's token. scheduler: where their images wait, and are counted as seated."""

    def __init__(self, scheduler: Scheduler[PlannedImage], publish: Publish) -> None:
        self._scheduler = scheduler
        self._publish = publish
        self._open: dict[str, Drawing] = {}

    def __len__(self) -> int:
        return len(self._open)

    @property
    def deaths(self) -> int:
        """The most deaths of any of its jobs, as in Claim."""
        return max(
            (drawing.order.claim.deaths for drawing in self._open.values()), default=0
        )

    def begin(self, drawing: Drawing) -> None:
        """Its images, at least one, wait for seats."""
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
        return [
            drawing.order
            for drawing in self._open.values()
            if drawing.order.seats == seats
        ]

    def models(self) -> set[str]:
        """Return the names in the engine of the models that draw them."""
        return {drawing.order.model for drawing in self._open.values()}

    def forget(self, token: str) -> DrawOrder | None:
        """Its images wait no longer; None when it is not drawn here."""
        drawing = self._open.pop(token, None)
        if drawing is None:
            return None
        self._scheduler.drop(token)
        return drawing.order

    def hand_on(self, rows: Sequence[CohortRow]) -> list[Drawing]:
        """Publish new rows, all at once. Returns the jobs of which these were the last."""
        new: defaultdict[str, list[NewRow]] = defaultdict(list)
        left: list[str] = []
        for seat, row in rows:
            token = seat.token
            drawing = self._open.get(token)
            if drawing is None:  # an image of it has failed since
                continue
            if row.log_p is not None:
                drawing.log_p[seat.sample] = row.log_p
            if seat.is_published:
                left.append(token)
                continue
            if drawing.images is not None and not row.of_small:
                drawing.images[seat.sample, :, row.y] = row.values
            # What row_pixels does, whose call costs as much as the work: twenty thousand rows a second come by here.
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
        """The job, when that was its last image."""
        self._scheduler.leave(token)
        drawing = self._open[token]
        drawing.images_left -= 1
        return None if drawing.images_left else self._open.pop(token)
