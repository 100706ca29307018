"""A subscription to a Redis channel that survives failures of Redis."""

from typing import Any

from redis import Redis
from redis.client import PubSub
from redis.exceptions import RedisError


class Channel:
    """A subscription to one channel. `next` subscribes when it is first called, and
    after a failure; messages that are published in between are lost."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self._name = name
        self._open: PubSub | None = None

    def next(self, within_s: float) -> bytes | None:
        """Return the data of the next message; None after `within_s` seconds, or as
        soon as a new subscription is confirmed. Raises RedisError."""
        try:
            if self._open is None:
                self._open = self._redis.pubsub(ignore_subscribe_messages=True)
                self._open.subscribe(self._name)
            message: Any = self._open.get_message(timeout=within_s)
        except RedisError:
            broken = self._open
            self._open = None
            if broken is not None:
                broken.close()
            raise
        return None if message is None else message["data"]
