"""Who sits where on one model's engine, and how far along. Knows claims only by their token."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model_core.image_request import ImageRequest
from worker.orders.images import PlannedImage


class EngineRow(Protocol):
    """model_core.sampling.engine.DrawnRow, as far as it is used here."""

    @property
    def ticket(self) -> int: ...
    @property
    def y(self) -> int: ...
    @property
    def values(self) -> NDArray[np.uint8]: ...
    @property
    def of_small(self) -> bool: ...
    @property
    def is_last(self) -> bool: ...
    @property
    def log_p(self) -> float | None: ...


class Engine(Protocol):
    """model_core.sampling.engine.Engine, as far as it is used here."""

    @property
    def free(self) -> int: ...
    @property
    def busy(self) -> int: ...
    @property
    def load(self) -> int: ...
    def admit(self, request: ImageRequest, /) -> int: ...
    def withdraw(self, ticket: int, /) -> None: ...
    def step(self) -> Sequence[EngineRow]: ...


@dataclass
class Seat:
    """One image that is being drawn."""

    token: str
    sample: int
    skip: int
    """Rows to come that are published already."""
    is_published: bool = False
    """Its last row is: the image came to be weighed alone."""


CohortRow = tuple[Seat, EngineRow]
"""A new row of one seated image."""


class Cohort:
    """The images of one model that are being drawn together.

    express: how many of the engine's slots only a job's first image may take, so that a job which comes while a large
    one fills the others begins at the next step, and not when one of its images is done.
    """

    def __init__(self, new_engine: Callable[[], Engine], express: int = 0) -> None:
        self._new_engine = new_engine
        self._express = express
        self._seats: dict[int, Seat] = {}

    @cached_property
    def _engine(self) -> Engine:
        return self._new_engine()

    def prepare(self) -> None:
        """Make the engine now, and not when the first image comes."""
        _ = self._engine

    def rest(self) -> None:
        """Free the engine's memory while nobody sits; another is made when one is wanted."""
        if not self._seats:
            self.__dict__.pop("_engine", None)

    @property
    def free(self) -> int:
        return self._engine.free

    @property
    def only_express(self) -> bool:
        """Are the free slots all kept for first images?"""
        return self.free <= self._express

    @property
    def busy(self) -> int:
        return len(self._seats)

    @property
    def load(self) -> int:
        """How many images the busiest thread draws."""
        return self._engine.load

    def seat(self, token: str, image: PlannedImage) -> None:
        """Give the image a slot; only when one is free."""
        self._seats[self._engine.admit(image.request)] = Seat(
            token, image.sample, image.skip
        )

    def withdraw(self, token: str) -> None:
        """Free the slots of a job at once."""
        for ticket in [
            ticket for ticket, seat in self._seats.items() if seat.token == token
        ]:
            self._engine.withdraw(ticket)
            del self._seats[ticket]

    def step(self) -> list[CohortRow]:
        """Advance every seated image. Returns the rows that became final and are not published yet, and of an image all
        of whose rows are published the last; with its last row an image has left."""
        rows, seats = [], self._seats
        for row in self._engine.step():
            seat = seats.pop(row.ticket) if row.is_last else seats[row.ticket]
            if seat.skip:
                seat.skip -= 1
                if not row.is_last:
                    continue
                seat.is_published = True
            rows.append((seat, row))
        return rows

    def renew(self) -> set[str]:
        """Start again after an error, with a fresh engine once one is wanted. Returns the jobs that lost images."""
        tokens = {seat.token for seat in self._seats.values()}
        self._seats.clear()
        del self._engine
        return tokens
