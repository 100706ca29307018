"""A server that comes back with an older state: a failover to a replica that lagged, a restored backup, a power cut."""

from typing import Any


class Snapshot:
    """All that the server holds now; `restore` brings it back, and forgets what came later."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self._kept = {
            key: (redis.dump(key), max(0, redis.pttl(key)))
            for key in redis.scan_iter("*")
        }

    def restore(self) -> None:
        with self._redis.pipeline() as pipeline:
            pipeline.flushall()
            for key, (value, lifetime_ms) in self._kept.items():
                pipeline.restore(key, lifetime_ms, value)
            pipeline.execute()
