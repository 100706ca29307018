"""Hears that a running job shall be canceled.

The channel makes it quick; a look at the open jobs each second makes it sure: a message may be published while nobody
listens, or a moment before the job is open here.
"""

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from redis import Redis
from redis.client import PubSub
from redis.exceptions import RedisError

from worker.contract import keys
from worker.jobs.ledger import Ledger
from worker.process.patience import Patience
from worker.process.redis_clients import BLOCK_S


class Cancellation:
    """Calls `cancel(job_id)` for each request it hears of; the same id may come more than once."""

    def __init__(self, redis: Redis, open_jobs: Callable[[], Sequence[str]], cancel: Callable[[str], None]) -> None:
        self._redis = redis
        self._ledger = Ledger(redis)
        self._open_jobs = open_jobs
        self._cancel = cancel
        self._channel: PubSub | None = None
        self._patience = Patience()
        self._log = structlog.get_logger("cancellation")

    def turn(self) -> float:
        """One message, or a look when none has come for a second; returns the seconds until the next turn."""
        try:
            self._hear()
        except RedisError as error:
            self._log.warning("redis_away", error=str(error))
            self._hang_up()
            return self._patience.failed()
        self._patience.succeeded()
        return 0.0

    def _hear(self) -> None:
        if self._channel is None:
            self._channel = self._redis.pubsub(ignore_subscribe_messages=True)
            self._channel.subscribe(keys.CANCEL_CHANNEL)
        message: Any = self._channel.get_message(timeout=BLOCK_S)
        if message is None:
            self._look()
        elif isinstance(message["data"], bytes):
            self._cancel(message["data"].decode(errors="replace"))

    def _hang_up(self) -> None:
        if self._channel is not None:
            self._channel.close()
        self._channel = None

    def _look(self) -> None:
        for job_id in self._ledger.cancel_requested(self._open_jobs()):
            self._cancel(job_id)
