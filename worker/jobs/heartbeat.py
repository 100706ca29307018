"""Says twice a second that this worker lives: its leases, its RQ record, its announcement."""

from collections.abc import Callable, Sequence

import structlog
from redis import Redis
from redis.exceptions import RedisError

INTERVAL_S = 0.5


class Heartbeat:
    """Calls each of `beats` twice a second. An error is not repeated: the next beat is the retry."""

    def __init__(self, redis: Redis, beats: Sequence[Callable[[Redis], None]]) -> None:
        self._redis = redis
        self._beats = beats
        self._log = structlog.get_logger("heartbeat")

    def turn(self) -> float:
        """One beat of each; returns the seconds until the next."""
        for beat in self._beats:
            try:
                beat(self._redis)
            except RedisError as error:
                self._log.warning("heartbeat_missed", error=str(error))
        return INTERVAL_S
