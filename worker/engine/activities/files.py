"""Files of coded images, made and read a few rows at a time: one job after the other, so that only one takes memory."""

import time
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from worker.engine.activities.activity import Surroundings, publish_image
from worker.orders.faults import coding_failed
from worker.orders.files import CodingSteps, FileOrder

CODING = "files of coded images"
"""Name of encoding and decoding among those that take turns; no model has this name."""
Coded = Callable[[FileOrder], CodingSteps]
TURN_S = 0.005
"""A turn of rows that take less than that has several."""


class Files:
    """coded(order): the steps of a job."""

    orders: ClassVar[tuple[type, ...]] = (FileOrder,)

    def __init__(self, around: Surroundings, coded: Coded) -> None:
        self._around = around
        self._coded = coded
        self._waiting: dict[str, FileOrder] = {}
        """Orders by their tokens; the first has the turns."""
        self._steps: CodingSteps | None = None
        """Steps of the first order, once it is begun."""
        self._images = 0
        """How many images of that order are decoded."""

    def busy(self) -> list[str]:
        return [CODING] if self._waiting else []

    def accept(self, order: FileOrder) -> None:
        self._waiting[order.claim.token] = order

    def orders_under(self, name: str) -> list[FileOrder]:
        return list(self._waiting.values())[:1]

    def models(self) -> set[str]:
        return {order.model for order in self._waiting.values()}

    def forget(self, token: str) -> None:
        if token == next(iter(self._waiting), None):
            self._steps, self._images = None, 0
        self._waiting.pop(token, None)

    def turn(self, name: str) -> None:
        """Some rows of a file, or one image of it."""
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
        except Exception as error:  # the engine's edge: whatever breaks ends this job, and not the process
            self.forget(token)
            self._around.broke_off(order, error, coding_failed)
        else:
            if image is not None:
                publish_image(self._around, order, self._images - 1, image)

    def _next_image(self, order: FileOrder) -> NDArray[np.uint8] | None:
        """The image (C, H, W), if it is decoded before the turn is over."""
        self._steps = self._steps or self._coded(order)
        until = time.perf_counter() + TURN_S
        while True:
            done = next(self._steps)
            if isinstance(done, np.ndarray):
                self._images += 1
                return done
            if time.perf_counter() > until:
                return None
