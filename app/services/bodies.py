"""How many bytes of requests this process holds at once: bodies, from the first byte
that is read until they are needed no more, what is unpacked of them, and the pixels of
pictures while they are decoded. An account may have as many bytes as are still free.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator

from app.errors import TooManyBytesError
from app.schema.job_options import FILES
from worker.contract.fairness import Shares

MOST_BYTES = 64 * 2**20
"""Bytes of bodies, and of what is unpacked of them."""
_LARGEST_BODIES = 4
"""How many bodies of the largest size there is room for, whatever MOST_BYTES says."""
DECODED_BYTES = 32 * 2**20
"""Room beside that of bodies for the pixels of pictures: for one request with a picture
and a mask of 2048 x 2048. They may also take the room that no body takes."""


def unpacked_limit(file_bytes: int) -> int:
    """Return the bytes that all zips of a request may have, unpacked. file_bytes: limit
    of one file, and of one zip."""
    return len(FILES) * file_bytes


class Bodies:
    """The budget. Threads that unpack and decode use it too."""

    def __init__(
        self, largest: int, refused: Callable[[], None] = lambda: None
    ) -> None:
        """largest: bytes of the largest body that is taken, and of what is unpacked of
        it. refused: called for each request that does not fit."""
        size = max(MOST_BYTES, _LARGEST_BODIES * largest)
        self._shares = Shares(size)
        self._room = size + DECODED_BYTES
        self._refused = refused
        self._decoded = 0
        self._lock = threading.Lock()

    @property
    def bytes_held(self) -> int:
        """Bytes of bodies, and of what is unpacked or decoded of them."""
        return self._shares.held + self._decoded

    @contextlib.contextmanager
    def place(self, account: str) -> Iterator["Place"]:
        """A place for one body of this account."""
        place = Place(self, account)
        try:
            yield place
        finally:
            place.leave()

    def take(self, account: str, size: int) -> None:
        """Hold so many bytes more for an account. Raises TooManyBytesError."""
        with self._lock:
            has_room = self.bytes_held + size <= self._room
            if has_room and self._shares.take(account, size):
                return
            has_room = has_room and size <= self._shares.free
        self._refused()
        whose = "this client's other requests" if has_room else "other requests"
        raise TooManyBytesError(
            f"the bodies of {whose} have all the room; send this one again in a moment"
        )

    def give_back(self, account: str, size: int) -> None:
        self._shares.give_back(account, size)

    @contextlib.contextmanager
    def decoding(self, size: int) -> Iterator[None]:
        """Hold so many bytes while pictures are decoded. Raises TooManyBytesError.

        They do not count as the account's, because few pictures are decoded at once.
        """
        with self._lock:
            is_taken = self.bytes_held + size <= self._room
            if is_taken:
                self._decoded += size
        if not is_taken:
            self._refused()
            raise TooManyBytesError(
                "other requests have the room to decode these pictures; send this one"
                " again in a moment"
            )
        try:
            yield
        finally:
            with self._lock:
                self._decoded -= size


class Place:
    """Room for one body. It grows with the body if its length is not declared."""

    def __init__(self, bodies: Bodies, account: str) -> None:
        self._bodies = bodies
        self._account = account
        self._size = 0
        self._unpacked = 0

    def expect(self, size: int) -> None:
        """Have room for a body of so many bytes. Raises TooManyBytesError."""
        if size > self._size:
            self._bodies.take(self._account, size - self._size)
            self._size = size

    def expect_unpacked(self, size: int) -> None:
        """Have room for so many bytes more, which are unpacked of the body. Raises
        TooManyBytesError."""
        self._bodies.take(self._account, size)
        self._unpacked += size

    def decoding(self, size: int) -> contextlib.AbstractContextManager[None]:
        """Hold so many bytes while pictures of the body are decoded."""
        return self._bodies.decoding(size)

    def leave(self) -> None:
        """The body is not needed any more."""
        size = self._size + self._unpacked
        self._size = 0
        self._unpacked = 0
        self._bodies.give_back(self._account, size)
