"""Files of coded images, made and read a few rows at a time. One file at a time, so that only one takes memory; its
turns alternate with those of all else that the engine does. Knows claims only by their token.
"""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_core.models import Model
from worker.contract.kinds import KINDS
from worker.orders.claims import Outcome
from worker.orders.files import FileOrder
from worker.orders.order import part

TURN_S = 0.005
"""A turn of rows that take less than that has several."""

CodingSteps = Generator[int | NDArray[np.uint8], None, Outcome]
"""Pauses after every row or so, says each image (C, H, W) that is decoded, in order, and ends in what becomes of the
job."""


def coded(order: FileOrder, model: Model) -> CodingSteps:
    """Do what an order asks for. Raises FloatingPointError when the network gives logits that are not finite."""
    return part(KINDS[order.kind].carried_out)(order, model)


@dataclass(frozen=True)
class Turn:
    """The result of one turn of a job."""

    order: FileOrder
    sample: int = 0
    image: NDArray[np.uint8] | None = None
    """The sample (C, H, W), once it is decoded."""
    outcome: Outcome | None = None
    """The job's end, once it is known."""
    error: Exception | None = None
    """The exception that nobody expected; it ends the work."""


class Coding:
    """start(order): the steps of a job."""

    def __init__(self, start: Callable[[FileOrder], CodingSteps] | None = None) -> None:
        self._start = start
        self._orders: dict[str, FileOrder] = {}
        self._steps: CodingSteps | None = None
        """Steps of the first order, once it is begun."""
        self._images = 0
        """How many images of that order are decoded."""

    def add(self, order: FileOrder) -> None:
        """The token must be new."""
        self._orders[order.claim.token] = order

    def forget(self, token: str) -> None:
        """Do no more for this claim."""
        if token in self._orders and self._orders[token] is self.current:
            self._steps, self._images = None, 0
        self._orders.pop(token, None)

    @property
    def current(self) -> FileOrder | None:
        """The order that has the next turn; None if nobody waits."""
        return next(iter(self._orders.values()), None)

    def turn(self) -> Turn:
        """Some rows of the current order, or one image. With its outcome the order is forgotten."""
        order = self.current
        assert order is not None, "without work there is no turn"
        try:
            image = self._advance(order)
        except StopIteration as end:
            outcome = end.value
        except Exception as error:  # the engine's edge: whatever breaks ends this job, and not the process
            self.forget(order.claim.token)
            return Turn(order, error=error)
        else:
            return Turn(order, self._images - 1, image)
        self.forget(order.claim.token)
        return Turn(order, outcome=outcome)

    def _advance(self, order: FileOrder) -> NDArray[np.uint8] | None:
        """The next image, if it is decoded before the turn is over."""
        assert self._start is not None, "nothing here makes or reads files"
        self._steps = self._steps or self._start(order)
        until = time.perf_counter() + TURN_S
        while True:
            done = next(self._steps)
            if isinstance(done, np.ndarray):
                self._images += 1
                return done
            if time.perf_counter() > until:
                return None
