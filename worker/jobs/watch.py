"""Stops renewing leases while the engine process hangs, on a GPU or after a signal. The
process that renews them works, so otherwise a hung one would keep its jobs for ever."""

import time
from collections.abc import Callable

import structlog
from redis import Redis

from worker.contract import keys


class Watch:
    """Renews leases only while the engine is not hung, and ends an engine that stays
    hung."""

    def __init__(
        self,
        is_hung: Callable[[], bool],
        renew: Callable[[Redis], None],
        kill: Callable[[], None],
    ) -> None:
        """is_hung: returns True if the engine will not come back by itself.
        renew: renews the leases.
        kill: ends the engine, and thereby this worker."""
        self._is_hung = is_hung
        self._renew = renew
        self._kill = kill
        self._late_since: float | None = None
        self._log = structlog.get_logger("watch")

    def beat(self, redis: Redis) -> None:
        """Renew the leases, or, if the engine hangs, count for how long; called twice a
        second.

        After LEASE_S seconds the engine is killed: by then its leases have expired, and
        other workers continue its jobs. The time is counted from the first call that
        found it hung, because both processes may have been paused together, and the
        engine then needs a moment. Raises RedisError.
        """
        if not self._is_hung():
            self._late_since = None
            self._renew(redis)
            return
        now = time.monotonic()
        self._late_since = self._late_since or now
        late_s = now - self._late_since
        self._log.warning("engine_late", seconds=round(late_s, 1))
        if late_s >= keys.LEASE_S:
            self._log.critical("engine_hung")
            self._kill()
