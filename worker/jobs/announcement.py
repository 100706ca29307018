"""The worker's announcement: which models it holds, for as long as it says so."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from worker.contract import keys
from worker.contract.cards import ModelCard, RefusedModel, WorkerInfo, readable_workers


class Announcement:
    """Written by each heartbeat from the first on; gone when ended, or a while after the worker died. `info`: what it
    says by now. health_file: renewed with it once a model is ready."""

    def __init__(self, info: WorkerInfo, health_file: Path | None = None) -> None:
        self.info = info
        self._health_file = health_file
        self._ended = False

    def compiled(self, model: str, redis: Redis) -> None:
        """One more model is ready: say so now, or with the next beat."""
        self.info = self.info.with_compiled(model)
        with suppress(RedisError):
            self.beat(redis)

    def served(self, card: ModelCard, redis: Redis) -> None:
        """A model has come, or other weights of one: say so now, or with the next beat."""
        self.info = self.info.with_served(card)
        with suppress(RedisError):
            self.beat(redis)

    def dropped(self, model: str) -> None:
        """A model is gone; said with the next beat."""
        self.info = self.info.without_model(model)

    def refused(self, model: RefusedModel) -> None:
        """A model is not served, and why; said with the next beat."""
        self.info = self.info.with_refused(model)

    def beat(self, redis: Redis) -> None:
        """Renew. Raises RedisError."""
        if self._ended:
            return
        with redis.pipeline() as pipeline:
            pipeline.set(
                keys.worker(self.info.name), self.info.entry(), ex=keys.ANNOUNCE_TTL_S
            )
            pipeline.sadd(keys.WORKERS, self.info.name)
            pipeline.execute()
        if self._health_file is not None and self.info.ready:
            with suppress(OSError):  # a full disk: probes see that it is not renewed
                self._health_file.touch()

    def brought(self, card: ModelCard) -> None:
        """It holds weights that were exchanged; said with the next beat."""
        self.info = self.info.with_kept(card)

    def end(self, redis: Redis) -> None:
        """Take it back: the worker accepts nothing more. Raises RedisError."""
        self._ended = True
        if self._health_file is not None:
            self._health_file.unlink(missing_ok=True)
        withdraw(redis, self.info.name)


def announced(redis: Redis) -> list[WorkerInfo]:
    """The live workers whose announcements this version can read. Raises RedisError."""
    client: Any = redis  # redis-py types every answer as "awaitable or not"
    names = [name.decode(errors="replace") for name in client.smembers(keys.WORKERS)]
    texts = client.mget([keys.worker(name) for name in names]) if names else []
    return readable_workers(text for text in texts if text is not None)


def withdraw(redis: Redis, name: str) -> None:
    """Remove a worker's announcement. Raises RedisError."""
    with redis.pipeline() as pipeline:
        pipeline.delete(keys.worker(name))
        pipeline.srem(keys.WORKERS, name)
        pipeline.execute()
