"""How owners share what is scarce: an owner may hold as much as is still free.

One owner alone gets half, two get a third each, and so on; what one of them gives back
the others may take. A newcomer always finds something free, and of two places one is
never the same owner's. Shared-memory switches divide their buffers among their ports in
this way (A. Choudhury and E. Hahne, "Dynamic queue length thresholds for shared-memory
packet switches", IEEE/ACM Transactions on Networking 6(2), 1998, with alpha = 1).

lua/fairness.lua has the same rule for what is counted in Redis.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


def may_hold(held: int, more: int, free: int) -> bool:
    """Return True if an owner that holds `held` may take `more` of what is free.

    free: what nobody holds, before this is taken.
    """
    return held + more <= free


class Shares:
    """A resource of one process, and how much of it each owner holds.

    Amounts are places or bytes. Threads may use it at the same time.
    """

    def __init__(self, size: int) -> None:
        """size: the amount that all owners may hold together."""
        self._size = size
        self._held: Counter[str] = Counter()
        self._total = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """The amount that all owners hold together; it may exceed the size."""
        return self._total

    @property
    def free(self) -> int:
        """The amount that nobody holds."""
        return self._size - self._total

    def allow(self, owner: str, amount: int) -> bool:
        """Return True if this owner may take so much now. Nothing is taken."""
        return may_hold(self._held[owner], amount, self.free)

    def take(self, owner: str, amount: int) -> bool:
        """Take so much for an owner, if it may have it; return False if not."""
        with self._lock:
            is_allowed = self.allow(owner, amount)
            if is_allowed:
                self._count(owner, amount)
            return is_allowed

    def add(self, owner: str, amount: int) -> None:
        """Count so much more for an owner, whether it may have it or not."""
        with self._lock:
            self._count(owner, amount)

    def give_back(self, owner: str, amount: int) -> None:
        """Free what this owner has taken."""
        with self._lock:
            self._count(owner, -amount)

    @contextmanager
    def counted(self, owner: str, amount: int = 1) -> Iterator[None]:
        """Count so much for an owner meanwhile, whether it may have it or not."""
        self.add(owner, amount)
        try:
            yield
        finally:
            self.give_back(owner, amount)

    def _count(self, owner: str, amount: int) -> None:
        self._total += amount
        self._held[owner] += amount
        if not self._held[owner]:
            del self._held[owner]  # an owner that holds nothing is forgotten
