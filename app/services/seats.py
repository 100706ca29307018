"""Limits how many connections of this process may stay open at once, and shares them
among accounts."""

import contextlib

from app.errors import TooManyStreamsError
from worker.contract.fairness import Shares


class Seats:
    """One seat for each open event stream and long poll. An account may have as many
    seats as are still free: one alone gets half of them, two a third each."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._shares = Shares(number)

    @property
    def in_use(self) -> int:
        """Number of seats that are in use."""
        return self._shares.held

    def expect_free(self, account: str) -> None:
        """Raise TooManyStreamsError unless this account may take a seat. Call it while
        the answer can still be an error, and `hold` after it: before the next `await`
        if clients may send many such requests at once."""
        if self._shares.allow(account, 1):
            return
        if self._shares.free < 1:
            raise TooManyStreamsError(
                f"all {self._number} seats for streams and long polls of this server"
                " are taken"
            )
        raise TooManyStreamsError(
            "this client has its share of this server's seats for streams and long"
            " polls; close one first"
        )

    def hold(self, account: str) -> contextlib.AbstractContextManager[None]:
        """Hold a seat inside the `with` block, without checking: `expect_free` was
        called a moment ago."""
        return self._shares.counted(account)
