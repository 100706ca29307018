"""The worker's announcement: which models it holds, for as long as it says so. And the
names of shipped models, which stay reserved while no worker is there."""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError

from model_core.card import Card
from model_core.errors import ModelError
from model_core.models_directory import RECORDS, cards_in
from worker.contract import keys
from worker.contract.cards import (
    ExaminedDraft,
    ModelCard,
    RefusedModel,
    WorkerInfo,
    readable_workers,
)


class Announcement:
    """Written by each heartbeat from the first on; gone when ended, or a while after the worker died. `info`: what it
    says by now. health_file: renewed with it once a model is ready."""

    def __init__(self, info: WorkerInfo, health_file: Path | None = None) -> None:
        self.info = info
        self._health_file = health_file
        self._ended = False
        self._changing = threading.Lock()

    def _change(self, changed: Callable[[WorkerInfo], WorkerInfo]) -> None:
        """Change what it says: the thread that hears the engine does, and the one that
        takes jobs."""
        with self._changing:
            self.info = changed(self.info)

    def compiled(self, model: str, redis: Redis) -> None:
        """One more model is ready: say so now, or with the next beat."""
        self._change(lambda info: info.with_compiled(model))
        with suppress(RedisError):
            self.beat(redis)

    def served(self, card: ModelCard, redis: Redis) -> None:
        """A model has come, or other weights of one: say so now, or with the next beat."""
        self._change(lambda info: info.with_served(card))
        with suppress(RedisError):
            self.beat(redis)

    def dropped(self, model: str) -> None:
        """A model is gone; said with the next beat."""
        self._change(lambda info: info.without_model(model))

    def refused(self, model: RefusedModel) -> None:
        """A model is not served, and why; said with the next beat."""
        self._change(lambda info: info.with_refused(model))

    def examined(self, draft: ExaminedDraft, redis: Redis) -> None:
        """Announce the result of examining a draft, now or with the next beat."""
        self._change(lambda info: info.with_draft(draft))
        with suppress(RedisError):
            self.beat(redis)

    def draft_gone(self, job: str) -> None:
        """Announce no more, from the next beat on, what this job's draft was."""
        self._change(lambda info: info.without_draft(job))

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
        """It holds weights that were exchanged or unloaded; said with the next beat."""
        self._change(lambda info: info.with_kept(card))

    def unloaded(self, card: ModelCard) -> None:
        """Weights leave its memory; said with the next beat."""
        self._change(lambda info: info.without_weights(card))

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


class ReservedNames:
    """Announces the names and identities of all models in a models directory.

    Users cannot add models of these names, and can start trainings from these models,
    also from those that PIXELRNN_MODELS leaves out and from models/records. A directory
    without a model announces nothing.
    """

    LOOK_S = 10.0
    """Seconds between two looks at the directory."""
    RENEW_S = 60.0
    """Seconds until an unchanged announcement is renewed: Redis may have lost it."""

    def __init__(self, redis: Redis, directory: Path) -> None:
        self._redis: Any = redis  # redis-py types every answer as "awaitable or not"
        self._directory = directory
        self._identities: dict[tuple[Path, int, int], str] = {}
        """Identities by card file, its time of change and its size."""
        self._announced = ""
        self._renew_at = 0.0
        self._log = structlog.get_logger("models")

    def turn(self) -> float:
        """Look at the directory, and announce its models if they have changed.

        Returns the seconds until the next turn. Logs an error of Redis or of the disk.
        """
        try:
            text = json.dumps(self._look(), sort_keys=True)
            if text != self._announced or time.monotonic() >= self._renew_at:
                self._announce(text)
        except (RedisError, OSError) as error:
            self._log.warning("names_not_announced", error=str(error))
        return self.LOOK_S

    def _announce(self, text: str) -> None:
        if text == "{}":  # a trainer may have no models directory
            return
        digest = hashlib.sha256(text.encode()).hexdigest()
        with self._redis.pipeline() as pipeline:
            pipeline.set(keys.reserved_names(digest), text, ex=keys.RESERVED_TTL_S)
            pipeline.sadd(keys.RESERVED, digest)
            pipeline.expire(keys.RESERVED, keys.RESERVED_TTL_S)
            pipeline.execute()
        self._announced = text
        self._renew_at = time.monotonic() + self.RENEW_S

    def _look(self) -> dict[str, str]:
        """Return the identities of the models by name; empty of a card that is bad."""
        # A model hides a record of the same name, as it does when a training loads it.
        found = [*cards_in(self._directory / RECORDS), *cards_in(self._directory)]
        seen: dict[tuple[Path, int, int], str] = {}
        for card in found:
            state = card.stat()
            key = card, state.st_mtime_ns, state.st_size
            seen[key] = self._identities.get(key) or _identity_of(card)
        self._identities = seen
        return {card.parent.name: identity for (card, *_), identity in seen.items()}


def _identity_of(card: Path) -> str:
    try:
        return Card.read(card).identity
    except Exception as error:  # the edge to whoever wrote it: the name is reserved
        if not isinstance(error, ModelError):
            structlog.get_logger("models").exception("card_not_read", card=str(card))
        return ""
