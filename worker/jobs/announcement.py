"""The worker's announcement of its models, which expires after the worker's death; and
the names of shipped models, which stay reserved while no worker is running."""

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

_REWRITE_S = 60.0
"""Seconds after which an unchanged announcement is written again: Redis may have come
back with an older one."""


class Announcement:
    """This worker's announcement (`info`), renewed in Redis by each heartbeat. Several
    threads may change it.

    Methods that take a Redis client write at once, and ignore errors of Redis, because
    the next heartbeat repeats the change. All others are written by the next heartbeat.
    """

    def __init__(self, info: WorkerInfo, health_file: Path | None = None) -> None:
        """info: the first announcement.
        health_file: a file whose time of change is renewed with each heartbeat once a
            model is ready; None for no file."""
        self.info = info
        self._health_file = health_file
        self._ended = False
        self._written = ""
        self._rewrite_at = 0.0
        self._changing = threading.Lock()
        self._writing = threading.Lock()

    def _change(self, changed: Callable[[WorkerInfo], WorkerInfo]) -> None:
        with self._changing:
            self.info = changed(self.info)

    def mark_compiled(self, model: str, redis: Redis) -> None:
        """Announce that the model of this name is ready."""
        self._change(lambda info: info.with_compiled(model))
        with suppress(RedisError):
            self.beat(redis)

    def add_model(self, card: ModelCard, redis: Redis) -> None:
        """Announce a new model, or new weights of a known one."""
        self._change(lambda info: info.with_served(card))
        with suppress(RedisError):
            self.beat(redis)

    def remove_model(self, model: str) -> None:
        self._change(lambda info: info.without_model(model))

    def add_refusal(self, model: RefusedModel) -> None:
        """Announce that a model is not served, and why."""
        self._change(lambda info: info.with_refused(model))

    def add_draft(self, draft: ExaminedDraft, redis: Redis) -> None:
        """Announce the result of examining a draft."""
        self._change(lambda info: info.with_draft(draft))
        with suppress(RedisError):
            self.beat(redis)

    def remove_draft(self, job: str) -> None:
        self._change(lambda info: info.without_draft(job))

    def beat(self, redis: Redis) -> None:
        """Look whether an operator drains the worker. Renew the announcement, written
        anew if it has changed or Redis has lost it, and the health file. Do nothing
        after `end`. Raises RedisError."""
        with self._writing:
            if self._ended:
                return
            name = self.info.name
            key = keys.worker(name)
            with redis.pipeline() as pipeline:
                pipeline.expire(key, keys.ANNOUNCE_TTL_S)
                pipeline.sadd(keys.WORKERS, name)
                pipeline.getex(keys.drain(name), ex=keys.ACTIVE_TTL_S)
                is_there, _, drained = pipeline.execute()
                self._mark_drained(drained == repr(self.info.started_at).encode())
                text = self.info.entry()
                is_due = text != self._written or time.monotonic() >= self._rewrite_at
                if is_due or not is_there:
                    pipeline.set(key, text, ex=keys.ANNOUNCE_TTL_S)
                    pipeline.execute()
                    self._written = text
                    self._rewrite_at = time.monotonic() + _REWRITE_S
            if self._health_file is not None and self.info.ready:
                # On a full disk it is not renewed, which health probes notice.
                with suppress(OSError):
                    self._health_file.touch()

    def _mark_drained(self, drained: bool) -> None:
        if drained != self.info.drained:
            self._change(lambda info: info.model_copy(update={"drained": drained}))

    def add_kept(self, card: ModelCard) -> None:
        """Announce weights that are in memory again, or that are kept for jobs accepted
        earlier."""
        self._change(lambda info: info.with_kept(card))

    def mark_unloaded(self, card: ModelCard) -> None:
        """Announce that these weights leave memory."""
        self._change(lambda info: info.without_weights(card))

    def end(self, redis: Redis) -> None:
        """Delete the announcement and the health file: the worker accepts no more jobs.
        Raises RedisError."""
        self._ended = True
        # A beat that is under way in another thread would write both again.
        with self._writing:
            if self._health_file is not None:
                # On a disk that is read-only now, probes find it too old soon.
                with suppress(OSError):
                    self._health_file.unlink(missing_ok=True)
            withdraw(redis, self.info.name)


def live_workers(redis: Redis) -> list[WorkerInfo]:
    """Return the announcements of all live workers that this version can use. Raises
    RedisError."""
    client: Any = redis  # redis-py types every answer as "awaitable or not"
    names = [name.decode(errors="replace") for name in client.smembers(keys.WORKERS)]
    texts = client.mget([keys.worker(name) for name in names]) if names else []
    return readable_workers(text for text in texts if text is not None)


def withdraw(redis: Redis, name: str) -> None:
    """Delete the announcement of the worker of this name. Raises RedisError."""
    with redis.pipeline() as pipeline:
        pipeline.delete(keys.worker(name), keys.drain(name))
        pipeline.srem(keys.WORKERS, name)
        pipeline.execute()


class ReservedNames:
    """Announces the names and identities of all models in a models directory, those
    that PIXELRNN_MODELS leaves out and records included. Users cannot add models of
    these names, and can start trainings from these models."""

    LOOK_S = 10.0
    """Seconds between two reads of the directory."""
    RENEW_S = 60.0
    """Seconds after which an unchanged announcement is renewed, because Redis may have
    lost it."""

    def __init__(self, redis: Redis, directory: Path) -> None:
        """redis: a client.
        directory: the models directory; it need not exist."""
        self._redis: Any = redis  # redis-py types every answer as "awaitable or not"
        self._directory = directory
        self._identities: dict[tuple[Path, int, int], str] = {}
        """Identities by card file, its time of change and its size."""
        self._announced = ""
        self._renew_at = 0.0
        self._log = structlog.get_logger("models")

    def turn(self) -> float:
        """Announce the models if they have changed. Return the seconds until the next
        call. Errors are logged."""
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
        """Return the identities of the models by name, empty for an unreadable card."""
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
    except Exception as error:
        # Any program may have written the card. Its name is reserved all the same.
        if not isinstance(error, ModelError):
            structlog.get_logger("models").exception("card_not_read", card=str(card))
        return ""
