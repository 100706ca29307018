"""Hears that a running job shall be canceled.

The channel makes it quick; a look at the open jobs each second makes it sure: a message may be published while nobody
listens, or a moment before the job is open here.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError

from worker.contract import keys
from worker.jobs.ledger import Ledger
from worker.process.redis_clients import BLOCK_S

RECONNECT_AFTER_S = 0.5


class Cancellation:
    """Calls `cancel(job_id)` for each request it hears of; the same id may come more than once."""

    def __init__(self, redis: Redis, open_jobs: Callable[[], Sequence[str]], cancel: Callable[[str], None]) -> None:
        self._redis = redis
        self._ledger = Ledger(redis)
        self._open_jobs = open_jobs
        self._cancel = cancel
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cancellation", daemon=True)
        self._log = structlog.get_logger("cancellation")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Within about a second; not waited for."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen()
            except RedisError as error:
                self._log.warning("redis_away", error=str(error))
                self._stopped.wait(RECONNECT_AFTER_S)

    def _listen(self) -> None:
        with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(keys.CANCEL_CHANNEL)
            while not self._stopped.is_set():
                message: Any = channel.get_message(timeout=BLOCK_S)
                if message is None:
                    self._look()
                elif isinstance(message["data"], bytes):
                    self._cancel(message["data"].decode(errors="replace"))

    def _look(self) -> None:
        for job_id in self._ledger.cancel_requested(self._open_jobs()):
            self._cancel(job_id)
