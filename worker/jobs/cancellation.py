"""Hears that a running job shall be canceled.

The channel makes it quick; a look at the open jobs each second makes it sure: a message may be published while nobody
listens, or a moment before the job is open here.
"""

import os
from collections.abc import Callable, Sequence

import structlog
from redis import Redis
from redis.exceptions import RedisError

from worker.contract import keys
from worker.jobs.ledger import Ledger
from worker.process.channel import Channel
from worker.process.redis_clients import BLOCK_S


class Cancellation:
    """Calls `cancel(job_id)` for each request it hears of; the same id may come more than once."""

    def __init__(
        self,
        redis: Redis,
        open_jobs: Callable[[], Sequence[str]],
        cancel: Callable[[str], None],
    ) -> None:
        self._ledger = Ledger(redis)
        self._open_jobs = open_jobs
        self._cancel = cancel
        self._channel = Channel(redis, keys.CANCEL_CHANNEL)
        self._log = structlog.get_logger("cancellation")

    def turn(self) -> float:
        """One message, or a look when none has come for a second; returns the seconds until the next turn."""
        try:
            said = self._channel.next(BLOCK_S)
            found = (
                self._ledger.cancel_requested(self._open_jobs())
                if said is None
                else [os.fsdecode(said)]
            )
        except RedisError as error:
            self._log.warning("redis_away", error=str(error))
            return BLOCK_S
        for job_id in found:
            self._cancel(job_id)
        return 0.0
