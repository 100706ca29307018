"""Tells RQ how jobs ended: a thread of its own, so that RQ's round trips delay no rows."""

import queue
from collections.abc import Callable, Sequence

import structlog
from redis.exceptions import RedisError

from worker.orders.claims import Claim, Outcome
from worker.process.patience import Patience
from worker.process.turn_thread import TurnThread

AT_ONCE = 16
"""Ends that are told together."""


class Finisher:
    """Calls `finish` with the closed claims and their outcomes, a few at a time, again until Redis has taken them."""

    def __init__(
        self, finish: Callable[[Sequence[tuple[Claim, Outcome]]], None]
    ) -> None:
        self._finish = finish
        self._closed: queue.SimpleQueue[tuple[Claim, Outcome] | None] = (
            queue.SimpleQueue()
        )
        self._at_hand: list[tuple[Claim, Outcome]] = []
        self._stops = False
        self._patience = Patience()
        self._loop = TurnThread("finisher", self._turn)
        self.start = self._loop.start
        self._log = structlog.get_logger("finisher")

    def put(self, claim: Claim, outcome: Outcome) -> None:
        self._closed.put((claim, outcome))

    def stop(self, timeout_s: float) -> None:
        """Finish what is waiting, as far as that succeeds within the timeout."""
        self._closed.put(None)
        self._loop.join(timeout_s)
        self._loop.stop()

    def _turn(self) -> float | None:
        """Write what has been closed; the same again, later each time, until Redis has taken it."""
        self._fetch()
        if not self._at_hand:
            return None
        try:
            if not self._try():
                return self._patience.failed()
        except Exception:
            self._at_hand = []  # their leases lapse
            raise
        self._patience.succeeded()
        self._at_hand = []
        return 0.0

    def _fetch(self) -> None:
        """Wait for a closed claim, unless there are some, and take those that wait too. None among them is the end."""
        while (
            not self._stops
            and len(self._at_hand) < AT_ONCE
            and (not self._at_hand or not self._closed.empty())
        ):
            closed = self._closed.get()
            if closed is None:
                self._stops = True
            else:
                self._at_hand.append(closed)

    def _try(self) -> bool:
        try:
            self._finish(self._at_hand)
        except RedisError as error:
            self._log.warning("redis_away", jobs=len(self._at_hand), error=str(error))
            return False
        return True
