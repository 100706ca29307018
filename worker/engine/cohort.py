"""Cohorts: the images of one model that are drawn together, one in each slot of an
`Engine` of model_core. Jobs are known only by their claims' tokens."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from model_core.sampling.engine import DrawnRow, Engine
from worker.orders.images import PlannedImage


@dataclass
class Seat:
    """An image in a slot."""

    token: str
    """Token of its job's claim."""
    sample: int
    """Index of the image in its job."""
    skip: int
    """Number of its next rows that are published already."""
    is_published: bool = False
    """True if all of its rows are published: it passes the network only to be
    weighed."""


CohortRow = tuple[Seat, DrawnRow]
"""A new row, and the image that it belongs to."""


class Cohort:
    """The images of one model that are drawn together."""

    def __init__(self, new_engine: Callable[[], Engine], express: int = 0) -> None:
        """new_engine: makes the engine, when it is first needed.
        express: number of its slots that only the first image of a job may take, so
            that a job which comes while a large job fills all other slots begins at the
            next step."""
        self._new_engine = new_engine
        self._express = express
        self._seats: dict[int, Seat] = {}

    @cached_property
    def _engine(self) -> Engine:
        return self._new_engine()

    def prepare(self) -> None:
        """Make the engine now, and not when the first image comes."""
        _ = self._engine

    def free_if_idle(self) -> None:
        """Free the engine's memory if no image is in a slot."""
        if not self._seats:
            self.__dict__.pop("_engine", None)

    @property
    def free(self) -> int:
        """Number of free slots. Makes the engine if there is none."""
        return self._engine.free

    @property
    def only_express(self) -> bool:
        """True if all free slots are reserved for first images."""
        return self.free <= self._express

    @property
    def busy(self) -> int:
        """Number of images in slots."""
        return len(self._seats)

    @property
    def load(self) -> int:
        """Number of images that the busiest thread draws."""
        return self._engine.load

    def seat(self, token: str, image: PlannedImage) -> None:
        """Give the image a slot; one must be free.

        token: of its job's claim.
        """
        self._seats[self._engine.admit(image.request)] = Seat(
            token, image.sample, image.skip
        )

    def withdraw(self, token: str) -> None:
        """Free the slots of a job."""
        tickets = [t for t, seat in self._seats.items() if seat.token == token]
        for ticket in tickets:
            self._engine.withdraw(ticket)
            del self._seats[ticket]

    def step(self) -> list[CohortRow]:
        """Advance every image by one step, and return the rows that became final and
        are not published yet. An image leaves its slot with its last row, which is
        returned, for its probability, even if all rows of the image are published."""
        rows = []
        seats = self._seats
        for row in self._engine.step():
            seat = seats.pop(row.ticket) if row.is_last else seats[row.ticket]
            if seat.skip:
                seat.skip -= 1
                if not row.is_last:
                    continue
                seat.is_published = True
            rows.append((seat, row))
        return rows

    def clear(self) -> set[str]:
        """Drop all images and the engine, after an error in it. Return the tokens of
        the jobs that lost images."""
        tokens = {seat.token for seat in self._seats.values()}
        self._seats.clear()
        del self._engine
        return tokens
