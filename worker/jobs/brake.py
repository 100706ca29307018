"""Stops the processes of a training as soon as something is to be drawn, in the middle of whatever it does.

Low priority would not do. A job changes processes a dozen times between request and picture, and where a training has
the processor, each of them waits for some milliseconds until the kernel takes it away.
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
_QUIET_S = 0.5
"""How long nothing must be drawn before it goes on."""
_WAITS, _MOST_COUNTED_S = 9, 1.0
"""It waits at most nine times as long as it has trained before, so that it has a tenth of the time where drawing leaves
no pause."""


class Brake:
    """The channel makes it quick; a look at the books, now and then, makes it sure."""

    def __init__(self, redis_url: str) -> None:
        self._redis: Any = connect(redis_url, HEARTBEAT_TIMEOUT_S)
        self._channel = Channel(self._redis, keys.WORK_CHANNEL)

    def hold(
        self, leader: "subprocess.Popen[bytes]", is_over: Callable[[], bool]
    ) -> None:
        """Stop and continue the process group of a training, until its leader has ended
        or is_over() is true; then it is not stopped."""
        since = time.monotonic()
        while leader.poll() is None and not is_over():
            if self._is_drawing(_LOOK_S):
                signal_group(leader, signal.SIGSTOP)
                self._wait(
                    _WAITS * min(time.monotonic() - since, _MOST_COUNTED_S), is_over
                )
                signal_group(leader, signal.SIGCONT)
                since = time.monotonic()

    def _wait(self, most_s: float, is_over: Callable[[], bool]) -> None:
        """Until nothing has been drawn for a while, but no longer than this."""
        quiet_at = time.monotonic() + _QUIET_S
        until = time.monotonic() + most_s
        while time.monotonic() < min(until, quiet_at) and not is_over():
            if self._is_drawing(_LOOK_S / 2):
                quiet_at = time.monotonic() + _QUIET_S

    def _is_drawing(self, within_s: float) -> bool:
        """Does a job come in that time, or do open ones lack images at its end? Trainings lack none."""
        try:
            came = self._channel.next(within_s)
            return came is not None or int(self._redis.hget(keys.LOAD, "work") or 0) > 0
        except (RedisError, ValueError):
            time.sleep(within_s)
            return False
