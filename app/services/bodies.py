"""Limits how many bytes of requests this process holds at once: bodies, from their
first byte until they are no longer needed, what is unpacked from them, and the pixels
of pictures while they are decoded. An account may have as many bytes as are still free.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator

from app.errors import TooManyBytesError
from worker.contract.fairness import Shares
from worker.contract.kind import FILES

MOST_BYTES = 64 * 2**20
"""Bytes of bodies and of what is unpacked from them."""
_LARGEST_BODIES = 4
"""Number of bodies of the largest size for which there is room, whatever MOST_BYTES
is."""
DECODED_BYTES = 32 * 2**20
"""Additional bytes for the pixels of pictures: enough for one request with a picture
and a mask of 2048 x 2048. Pixels may also use the room that no body uses."""


def unpacked_limit(file_bytes: int) -> int:
    """Return the maximum unpacked size of all zips of a request together, in bytes.

    file_bytes: maximum size of one file, and of one zip.
    """
    return len(FILES) * file_bytes


class Bodies:
    """The memory budget of this process for request bodies. Its methods may be called
    from any thread.

    All accounts share the budget. An account may hold at most as many bytes as are
    still free, so that no client takes everything.
    """

    def __init__(
        self, largest: int, refused: Callable[[], None] = lambda: None
    ) -> None:
        """largest: bytes of the largest allowed body, including its unpacked files.
        refused: called for each request that does not fit into the budget."""
        size = max(MOST_BYTES, _LARGEST_BODIES * largest)
        self._shares = Shares(size)
        self._room = size + DECODED_BYTES
        self._refused = refused
        self._decoded = 0
        self._lock = threading.Lock()

    @property
    def bytes_held(self) -> int:
        """Bytes of bodies and of what is unpacked or decoded from them."""
        return self._shares.held + self._decoded

    @contextlib.contextmanager
    def place(self, account: str) -> Iterator["Place"]:
        """Provide a Place for one body of this account inside the `with` block; its
        bytes are freed at the end."""
        place = Place(self, account)
        try:
            yield place
        finally:
            place.leave()

    def take(self, account: str, size: int) -> None:
        """Count `size` more bytes for an account. Raises TooManyBytesError if there is
        no room, or if the account would then have more bytes than are free."""
        with self._lock:
            has_room = self.bytes_held + size <= self._room
            if has_room and self._shares.take(account, size):
                return
            has_room = has_room and size <= self._shares.free
        self._refused()
        whose = "this client's other requests" if has_room else "other requests"
        raise TooManyBytesError(
            f"the bodies of {whose} take all memory for bodies; "
            "send this one again in a moment"
        )

    def give_back(self, account: str, size: int) -> None:
        """Free bytes of an account."""
        self._shares.give_back(account, size)

    @contextlib.contextmanager
    def decoding(self, size: int) -> Iterator[None]:
        """Count `size` bytes inside the `with` block, in which pictures are decoded.
        Raises TooManyBytesError if they do not fit. They count for no account, because
        few pictures are decoded at once."""
        with self._lock:
            is_taken = self.bytes_held + size <= self._room
            if is_taken:
                self._decoded += size
        if not is_taken:
            self._refused()
            raise TooManyBytesError(
                "other requests take the memory to decode these pictures; "
                "send this one again in a moment"
            )
        try:
            yield
        finally:
            with self._lock:
                self._decoded -= size


class Place:
    """The share of one request body in the budget, from its first byte until `leave`.
    It grows while a body of undeclared length arrives."""

    def __init__(self, bodies: Bodies, account: str) -> None:
        """bodies: the limits.
        account: who is charged."""
        self._bodies = bodies
        self._account = account
        self._size = 0
        self._unpacked = 0

    def expect(self, size: int) -> None:
        """Reserve the bytes of a body of `size` bytes in total, as far as that has not
        been done. Raises TooManyBytesError if they do not fit into the budget."""
        if size > self._size:
            self._bodies.take(self._account, size - self._size)
            self._size = size

    def expect_unpacked(self, size: int) -> None:
        """Make room for `size` more bytes, which are unpacked from the body. Raises
        TooManyBytesError if there is none."""
        self._bodies.take(self._account, size)
        self._unpacked += size

    def decoding(self, size: int) -> contextlib.AbstractContextManager[None]:
        """Like Bodies.decoding."""
        return self._bodies.decoding(size)

    def leave(self) -> None:
        """Free all bytes, because the body is no longer needed. Further calls do
        nothing."""
        size = self._size + self._unpacked
        self._size = 0
        self._unpacked = 0
        self._bodies.give_back(self._account, size)
