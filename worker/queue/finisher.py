"""Tells RQ how jobs ended: a thread of its own, so that RQ's many round trips delay no rows."""

import queue
import threading
from collections.abc import Callable

import structlog
from redis.exceptions import RedisError

from worker.orders.claims import Claim, Outcome

MAX_BACK_OFF_S = 1.0


class Finisher:
    """Calls `finish(token, outcome)` for each closed claim, again until Redis has taken it."""

    def __init__(self, finish: Callable[[str, Outcome], None]) -> None:
        self._finish = finish
        self._closed: queue.SimpleQueue[tuple[Claim, Outcome] | None] = queue.SimpleQueue()
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="finisher", daemon=True)
        self._log = structlog.get_logger("finisher")

    def start(self) -> None:
        self._thread.start()

    def put(self, claim: Claim, outcome: Outcome) -> None:
        self._closed.put((claim, outcome))

    def stop(self, timeout_s: float) -> None:
        """Finish what is waiting, as far as that succeeds within the timeout."""
        self._closed.put(None)
        self._thread.join(timeout_s)
        self._given_up.set()

    def _run(self) -> None:
        while (closed := self._closed.get()) is not None:
            back_off_s = 0.05
            while not self._try(*closed) and not self._given_up.wait(back_off_s):
                back_off_s = min(2 * back_off_s, MAX_BACK_OFF_S)

    def _try(self, claim: Claim, outcome: Outcome) -> bool:
        try:
            self._finish(claim.token, outcome)
        except RedisError as error:
            self._log.warning("redis_away", job_id=claim.job_id, error=str(error))
            return False
        return True
