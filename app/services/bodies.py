"""How many bytes of requests' bodies this process holds at once, from the first that is read until they are needed no
more, and one account's share of them.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator

from app.errors import TooManyBytesError

MOST_BYTES = 64 * 2**20
_SHARES = 4
"""How many accounts may use their whole share at once."""


class Bodies:
    """refused is told of each body for which there is no room."""

    def __init__(
        self, largest: int, refused: Callable[[], None] = lambda: None
    ) -> None:
        """largest: bytes of the largest body that is taken; it fits into a share, whatever MOST_BYTES says."""
        self._share = max(MOST_BYTES // _SHARES, largest)
        self._refused = refused
        self._held: Counter[str] = Counter()

    @property
    def bytes_held(self) -> int:
        return self._held.total()

    @contextlib.contextmanager
    def place(self, account: str) -> Iterator["Place"]:
        """A place for one body of this account."""
        place = Place(self, account)
        try:
            yield place
        finally:
            place.leave()

    def take(self, account: str, size: int) -> None:
        """Hold so many bytes more. Raises TooManyBytesError."""
        has_share = self._held[account] + size <= self._share
        if not has_share or self.bytes_held + size > _SHARES * self._share:
            self._refused()
            whose = "other requests" if has_share else "this client's other requests"
            raise TooManyBytesError(
                f"the bodies of {whose} have all the room; send this one again in a moment"
            )
        self._held[account] += size

    def give_back(self, account: str, size: int) -> None:
        self._held[account] -= size
        self._held += Counter()  # an account without bytes is forgotten


class Place:
    """Room for one body. It grows with the body where nobody said how long that is."""

    def __init__(self, bodies: Bodies, account: str) -> None:
        self._bodies = bodies
        self._account = account
        self._size = 0

    def expect(self, size: int) -> None:
        """Have room for so many bytes in all. Raises TooManyBytesError."""
        if size > self._size:
            self._bodies.take(self._account, size - self._size)
            self._size = size

    def leave(self) -> None:
        """The body is not needed any more."""
        self._bodies.give_back(self._account, self._size)
        self._size = 0
