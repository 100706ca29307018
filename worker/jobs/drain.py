"""Gives back the jobs of a worker that an operator drains, as SIGTERM does, while the
worker goes on."""

import time
from collections.abc import Callable, Iterable

import structlog

from worker.jobs.announcement import Announcement


class Drain:
    """Lets the jobs of a drained worker end within the grace period, and gives back the
    rest. Only the thread of RQ's loop uses it."""

    def __init__(
        self,
        announcement: Announcement,
        held: Callable[[], Iterable[str]],
        give_back: Callable[[str], None],
        grace_s: float,
    ) -> None:
        """announcement: knows whether the worker is drained.
        held: returns the tokens of the jobs that it holds, oldest first.
        give_back(token): returns a job to the queue soon; may be repeated.
        grace_s: seconds for which held jobs may go on."""
        self._announcement = announcement
        self._held = held
        self._give_back = give_back
        self._grace_s = grace_s
        self._since: float | None = None
        self._log = structlog.get_logger("intake")

    def turn(self) -> bool:
        """Return True if the worker must take no jobs now. Call this several times per
        second."""
        if not self._announcement.info.drained:
            self._since = None
            return False
        now = time.monotonic()
        if self._since is None:
            self._since = now
            self._log.info("worker_drained")
        if now - self._since >= self._grace_s:
            for token in self._held():
                self._give_back(token)
        return True
