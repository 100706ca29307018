"""Finds running jobs whose cancellation was requested.

A channel reports requests quickly; checking all open jobs each second finds requests
whose message came while nobody listened, or before the job was open here.
"""

import os
import time
from collections.abc import Callable, Sequence

import structlog
from redis import Redis
from redis.exceptions import RedisError

from worker.contract import keys
from worker.jobs.ledger import Ledger
from worker.process.channel import Channel
from worker.process.redis_clients import BLOCK_S


class Cancellation:
    """Calls `cancel(job_id)` for each request that it finds, possibly several times for
    one job."""

    def __init__(
        self,
        redis: Redis,
        open_jobs: Callable[[], Sequence[str]],
        cancel: Callable[[str], None],
    ) -> None:
        """redis: a client for blocking commands.
        open_jobs: returns the ids of this worker's open jobs.
        cancel: called in the thread of `turn`."""
        self._ledger = Ledger(redis)
        self._open_jobs = open_jobs
        self._cancel = cancel
        self._channel = Channel(redis, keys.CANCEL_CHANNEL)
        self._check_at = 0.0
        """Time at which all open jobs are checked next, by time.monotonic."""
        self._log = structlog.get_logger("cancellation")

    def turn(self) -> float:
        """Handle one message, if one comes within a second; check all open jobs if none
        came, and each second. Return the seconds until the next call. Errors of Redis
        are logged."""
        try:
            message = self._channel.next(BLOCK_S)
            found = [] if message is None else [os.fsdecode(message)]
            # The requests of others may come without a pause.
            if message is None or time.monotonic() >= self._check_at:
                found += self._requests()
                self._check_at = time.monotonic() + BLOCK_S
        except RedisError as error:
            self._log.warning("redis_away", error=str(error))
            return BLOCK_S
        for job_id in found:
            self._cancel(job_id)
        return 0.0

    def _requests(self) -> list[str]:
        return self._ledger.cancel_requested(self._open_jobs())
