"""A Redis channel that is listened to for as long as the process lives, whatever Redis does meanwhile."""

from typing import Any

from redis import Redis
from redis.client import PubSub
from redis.exceptions import RedisError


class Channel:
    """Subscribed by the first look, and again by the first look after a failure: what is said between is not heard."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis, self._name = redis, name
        self._open: PubSub | None = None

    def next(self, within_s: float) -> bytes | None:
        """The next message, as soon as there is one; None where none comes in time. Raises RedisError."""
        try:
            if self._open is None:
                self._open = self._redis.pubsub(ignore_subscribe_messages=True)
                self._open.subscribe(self._name)
            message: Any = self._open.get_message(timeout=within_s)
        except RedisError:
            self._open, broken = None, self._open
            if broken is not None:
                broken.close()
            raise
        return None if message is None else message["data"]
