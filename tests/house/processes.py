"""What the tests of running processes share."""

import os
import time
from collections.abc import Callable


def eventually(condition: Callable[[], bool], limit_s: float = 10.0) -> bool:
    """Whether the condition comes to hold within the limit."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def is_alive(pid: int) -> bool:
    """Whether the process runs: not gone, and not a zombie that waits to be reaped."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
