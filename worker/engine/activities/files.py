"""Files of coded images: some rows of one in a turn, one job after the other."""

from typing import ClassVar

from worker.engine.activities.activity import Surroundings
from worker.engine.activities.whole_image import hand_on_image
from worker.engine.coding import Coding
from worker.orders.faults import coding_failed
from worker.orders.files import FileOrder

CODING = "files of coded images"
"""Name of encoding and decoding among those that take turns; no model has this name."""


class Files:
    orders: ClassVar[tuple[type, ...]] = (FileOrder,)

    def __init__(self, around: Surroundings, coding: Coding) -> None:
        self._around = around
        self._coding = coding

    def busy(self) -> list[str]:
        return [CODING] if self._coding.current else []

    def accept(self, order: FileOrder) -> None:
        self._coding.add(order)

    def orders_under(self, name: str) -> list[FileOrder]:
        return [self._coding.current] if self._coding.current else []

    def forget(self, token: str) -> None:
        self._coding.forget(token)

    def turn(self, name: str) -> None:
        """Some rows of a file, or one image of it."""
        order = self._coding.current
        assert order is not None
        self._around.pause()
        self._around.deadlines.begin(f"file of {order.model}", deaths=order.claim.deaths)
        turn = self._coding.turn()
        if turn.image is not None:
            hand_on_image(self._around, order, turn.sample, turn.image)
        if turn.error is not None:
            self._around.broke_off(order, turn.error, coding_failed)
        elif turn.outcome is not None:
            self._around.outlet.end(order.claim.token, turn.outcome)
