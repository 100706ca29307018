"""Pauses the processes of a training as soon as a job has something to draw, whatever
the training is doing.

A low priority would not suffice: a job changes processes a dozen times between request
and picture, and if a training has the CPU, each change waits some milliseconds
until the kernel takes it away.
"""

import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

from redis.exceptions import RedisError

from worker.contract import keys
from worker.process.channel import Channel
from worker.process.group import signal_group
from worker.process.redis_clients import HEARTBEAT_TIMEOUT_S, connect

_LOOK_S = 0.1
"""Seconds between two reads of the open work, when no message comes."""
_QUIET_S = 0.5
"""Seconds without anything to draw after which a paused training continues."""
_PAUSE_RATIO = 9
"""A pause lasts at most so many times as long as the training ran before it, so that a
training gets a tenth of the time even if drawing never stops."""
_MOST_COUNTED_S = 1.0
"""Seconds of running before a pause that count, at most."""


class Brake:
    """Pauses a training while jobs are drawn."""

    # The channel reports new jobs quickly. Reading the open work every _LOOK_S finds
    # jobs whose message was lost.

    def __init__(self, redis_url: str) -> None:
        self._redis: Any = connect(redis_url, HEARTBEAT_TIMEOUT_S)
        self._channel = Channel(self._redis, keys.WORK_CHANNEL)

    def hold(
        self, leader: "subprocess.Popen[bytes]", is_over: Callable[[], bool]
    ) -> None:
        """Pause the leader's process group whenever a job has something to draw, until
        the leader has ended or `is_over()` is true. The group is running when this
        returns, or raises an error of `is_over`.

        A training gets a tenth of the time even if drawing never stops. If Redis fails,
        nothing is paused.
        """
        since = time.monotonic()
        while leader.poll() is None and not is_over():
            if self._is_drawing(_LOOK_S):
                try:
                    signal_group(leader, signal.SIGSTOP)
                    trained_s = min(time.monotonic() - since, _MOST_COUNTED_S)
                    self._wait(_PAUSE_RATIO * trained_s, is_over)
                finally:
                    # Also after an error of `is_over`, which looks at a disk.
                    signal_group(leader, signal.SIGCONT)
                since = time.monotonic()

    def _wait(self, most_s: float, is_over: Callable[[], bool]) -> None:
        """Wait until nothing has been drawn for _QUIET_S seconds, but at most `most_s`
        seconds."""
        quiet_at = time.monotonic() + _QUIET_S
        until = time.monotonic() + most_s
        while time.monotonic() < min(until, quiet_at) and not is_over():
            if self._is_drawing(_LOOK_S / 2):
                quiet_at = time.monotonic() + _QUIET_S

    def _is_drawing(self, within_s: float) -> bool:
        """Return True if a job comes within `within_s` seconds, or open jobs have
        something to draw at the end."""
        try:
            came = self._channel.next(within_s)
            return came is not None or int(self._redis.hget(keys.LOAD, "work") or 0) > 0
        except (RedisError, ValueError):
            time.sleep(within_s)
            return False
