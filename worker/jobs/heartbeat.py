"""The worker's heartbeat: twice a second it renews leases, RQ's record and the
announcement."""

from collections.abc import Callable, Sequence

import structlog
from redis import Redis
from redis.exceptions import RedisError

INTERVAL_S = 0.5
"""Seconds between two beats; several fit into a lease, so that some may fail."""


class Heartbeat:
    """Calls each of `beats` with its Redis client, twice a second."""

    def __init__(self, redis: Redis, beats: Sequence[Callable[[Redis], None]]) -> None:
        """redis: a client with a short timeout.
        beats: functions that write to Redis and may raise RedisError."""
        self._redis = redis
        self._beats = beats
        self._log = structlog.get_logger("heartbeat")

    def turn(self) -> float:
        """Call each function once; return the seconds until the next call. An error of
        Redis is logged and does not keep the others from being called."""
        for beat in self._beats:
            try:
                beat(self._redis)
            except RedisError as error:
                self._log.warning("heartbeat_missed", error=str(error))
        return INTERVAL_S
