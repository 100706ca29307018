"""Leases are renewed only while the engine gets on with what it does. One that hangs, by a GPU or by a signal,
would else keep its jobs for ever: the process that renews them is well.
"""

import time
from collections.abc import Callable

import structlog
from redis import Redis

from worker.contract import keys


class Watch:
    """is_hung: the engine will not be back by itself. renew: a beat of the heart, which keeps the leases. kill: end the
    engine, and with it this worker: by then its leases have lapsed, and others go on with its jobs."""

    def __init__(
        self,
        is_hung: Callable[[], bool],
        renew: Callable[[Redis], None],
        kill: Callable[[], None],
    ) -> None:
        self._is_hung = is_hung
        self._renew = renew
        self._kill = kill
        self._late_since: float | None = None
        self._log = structlog.get_logger("watch")

    def beat(self, redis: Redis) -> None:
        """Once a second. Lateness is counted from the beat that saw it first: both processes may have been stopped, and
        the engine then needs a moment too. Raises RedisError."""
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
