"""How many connections may stay open at once."""

import contextlib
from collections.abc import Iterator

from app.errors import TooManyStreamsError


class Seats:
    def __init__(self, number: int) -> None:
        self._number = number
        self._taken = 0

    @property
    def taken(self) -> int:
        return self._taken

    def expect_free(self) -> None:
        """TooManyStreamsError when all are taken; asked while an answer can still be an error."""
        if self._taken >= self._number:
            raise TooManyStreamsError(
                f"all {self._number} seats for streams and long polls of this server are taken"
            )

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold a seat that was free a moment ago."""
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
