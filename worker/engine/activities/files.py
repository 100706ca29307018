"""Files of coded images, encoded and decoded a few rows at a time. Only one job is in
progress, so that only one takes memory."""

import time
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from worker.engine.activities.activity import Surroundings, publish_image
from worker.orders.faults import coding_failed
from worker.orders.files import CodingSteps, FileOrder

CODING = "files of coded images"
"""The name under which this activity has work; no model has this name."""
CodingFunction = Callable[[FileOrder], CodingSteps]
"""Begins a job's coding, and returns its steps."""
TURN_S = 0.005
"""Seconds after which a turn ends; steps take less, so it has several."""


class Files:
    """The Activity (activity.py) of encoding and decoding; jobs are done one after the
    other."""

    orders: ClassVar[tuple[type, ...]] = (FileOrder,)

    def __init__(self, around: Surroundings, coded: CodingFunction) -> None:
        self._around = around
        self._coded = coded
        self._waiting: dict[str, FileOrder] = {}
        """Orders by their tokens; the first has the turns."""
        self._steps: CodingSteps | None = None
        """Steps of the first order, once it is begun."""
        self._images = 0
        """How many images of that order are decoded."""

    def busy(self) -> list[str]:
        """The name CODING while a file waits, else nothing."""
        return [CODING] if self._waiting else []

    def accept(self, order: FileOrder) -> None:
        """Queue an order."""
        self._waiting[order.claim.token] = order

    def orders_under(self, name: str) -> list[FileOrder]:
        """The one order that is coded now."""
        return list(self._waiting.values())[:1]

    def models(self) -> set[str]:
        """Names of the models that its orders need."""
        return {order.model for order in self._waiting.values()}

    def forget(self, token: str) -> None:
        """Drop the order of this claim, begun or not."""
        if token == next(iter(self._waiting), None):
            self._steps = None
            self._images = 0
        self._waiting.pop(token, None)

    def turn(self, name: str) -> None:
        """Do some rows of the first job, or publish one decoded image of it."""
        token, order = next(iter(self._waiting.items()))
        self._around.pause()
        self._around.deadlines.begin(
            f"file of {order.model}", deaths=order.claim.deaths
        )
        try:
            image = self._next_image(order)
        except StopIteration as end:
            self.forget(token)
            self._around.outlet.end(token, end.value)
        except Exception as error:
            # Any error ends this job, and not the process with all others.
            self.forget(token)
            self._around.report_failure(order, error, coding_failed)
        else:
            if image is not None:
                publish_image(self._around, order, self._images - 1, image)

    def _next_image(self, order: FileOrder) -> NDArray[np.uint8] | None:
        """Return the next decoded image (C, H, W), or None if none is complete before
        the turn is over."""
        self._steps = self._steps or self._coded(order)
        until = time.perf_counter() + TURN_S
        while True:
            done = next(self._steps)
            if isinstance(done, np.ndarray):
                self._images += 1
                return done
            if time.perf_counter() > until:
                return None
