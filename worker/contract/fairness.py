"""How owners share a scarce resource: an owner may hold as much as is still free.

One owner alone gets half of it, two get a third each, and so on. An amount that one of
them gives back is free for the others, a newcomer always finds something free, and of
two places one owner never gets both. Shared-memory switches divide their buffers among
their ports in this way (A. Choudhury and E. Hahne, "Dynamic queue length thresholds for
shared-memory packet switches", IEEE/ACM Transactions on Networking 6(2), 1998, with
alpha = 1).

lua/fairness.lua has the same rule for amounts that Redis counts.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


def may_hold(held: int, more: int, free: int) -> bool:
    """Return True if an owner that holds `held` may take `more`: if their sum is at
    most `free`, which no owner holds before."""
    return held + more <= free


class Shares:
    """A resource of one process, with the amount that each owner holds. Amounts may
    have any unit, such as bytes. Thread-safe."""

    def __init__(self, size: int) -> None:
        """Begin with nothing held.

        size: the amount that all owners may hold together.
        """
        self._size = size
        self._held: Counter[str] = Counter()
        self._total = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """The amount that all owners hold together; it may exceed the size, because
        `add` does not check."""
        return self._total

    @property
    def free(self) -> int:
        """The amount that no owner holds; negative if more than the size is held."""
        return self._size - self._total

    def allow(self, owner: str, amount: int) -> bool:
        """Return True if this owner may take this amount now: if it would then hold at
        most what is free before. Nothing is taken."""
        return may_hold(self._held[owner], amount, self.free)

    def take(self, owner: str, amount: int) -> bool:
        """Take the amount for this owner and return True; take nothing and return False
        if `may_hold` forbids it."""
        with self._lock:
            is_allowed = self.allow(owner, amount)
            if is_allowed:
                self._count(owner, amount)
            return is_allowed

    def add(self, owner: str, amount: int) -> None:
        """Count the amount as held by this owner, without checking."""
        with self._lock:
            self._count(owner, amount)

    def give_back(self, owner: str, amount: int) -> None:
        """Subtract the amount from what this owner holds."""
        with self._lock:
            self._count(owner, -amount)

    @contextmanager
    def counted(self, owner: str, amount: int = 1) -> Iterator[None]:
        """Count the amount as held by this owner inside the `with` block, without
        checking."""
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
