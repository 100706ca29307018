"""Tells RQ how jobs ended: a thread of its own, so that RQ's many round trips delay no rows."""

import queue
from collections.abc import Callable

import structlog
from redis.exceptions import RedisError

from worker.orders.claims import Claim, Outcome
from worker.process.loop import Loop

MAX_BACK_OFF_S = 1.0


class Finisher:
    """Calls `finish(token, outcome)` for each closed claim, again until Redis has taken it."""

    def __init__(self, finish: Callable[[str, Outcome], None]) -> None:
        self._finish = finish
        self._closed: queue.SimpleQueue[tuple[Claim, Outcome] | None] = queue.SimpleQueue()
        self._at_hand: tuple[Claim, Outcome] | None = None
        self._back_off_s = 0.0
        self._loop = Loop("finisher", self._turn)
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
        """One closed claim; the same again, later each time, until Redis has taken it."""
        self._at_hand = self._at_hand or self._closed.get()
        if self._at_hand is None:
            return None
        if self._try(*self._at_hand):
            self._at_hand, self._back_off_s = None, 0.0
        else:
            self._back_off_s = min(max(2 * self._back_off_s, 0.05), MAX_BACK_OFF_S)
        return self._back_off_s

    def _try(self, claim: Claim, outcome: Outcome) -> bool:
        try:
            self._finish(claim.token, outcome)
        except RedisError as error:
            self._log.warning("redis_away", job_id=claim.job_id, error=str(error))
            return False
        return True
