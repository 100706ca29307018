"""How many bytes of requests this process holds at once: bodies, from the first byte
that is read until they are needed no more, what is unpacked of them, and the pixels of
pictures while they are decoded. One account has a share of it.
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator

from app.errors import TooManyBytesError

MOST_BYTES = 64 * 2**20
"""Bytes of bodies, and of what is unpacked of them."""
_SHARES = 4
"""How many accounts may use their whole share at once."""
DECODED_BYTES = 32 * 2**20
"""Room beside that of bodies for the pixels of pictures: for one request with a picture
and a mask of 2048 x 2048. They may also take the room that no body takes."""


class Bodies:
    """The budget. Threads that unpack and decode use it too."""

    def __init__(
        self, largest: int, refused: Callable[[], None] = lambda: None
    ) -> None:
        """largest: bytes of the largest body that is taken, and of what is unpacked of
        it, which fit into a share, whatever MOST_BYTES says. refused: called for each
        request that does not fit."""
        self._share = max(MOST_BYTES // _SHARES, largest)
        self._refused = refused
        self._held: Counter[str] = Counter()
        self._decoded = 0
        self._lock = threading.Lock()

    @property
    def bytes_held(self) -> int:
        """Bytes of bodies, and of what is unpacked or decoded of them."""
        return self._held.total() + self._decoded

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
            has_share = self._held[account] + size <= self._share
            bodies = self._held.total() + size
            total = bodies + self._decoded
            has_room = bodies <= _SHARES * self._share and total <= self._room
            if has_share and has_room:
                self._held[account] += size
                return
        self._refused()
        whose = "other requests" if has_share else "this client's other requests"
        raise TooManyBytesError(
            f"the bodies of {whose} have all the room; send this one again in a moment"
        )

    def give_back(self, account: str, size: int) -> None:
        with self._lock:
            self._held[account] -= size
            self._held += Counter()  # an account without bytes is forgotten

    @contextlib.contextmanager
    def decoding(self, size: int) -> Iterator[None]:
        """Hold so many bytes while pictures are decoded. Raises TooManyBytesError.

        They do not count against an account's share: few pictures are decoded at once,
        and one picture of the largest size has more pixels than a share has bytes.
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

    @property
    def _room(self) -> int:
        return _SHARES * self._share + DECODED_BYTES


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
