"""What the tests of running processes share."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def eventually(
    condition: Callable[[], bool], limit_s: float = 60.0, look_s: float = 0.02
) -> bool:
    """Whether the condition comes to hold within the limit."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(look_s)
    return condition()


def children_of(pid: int) -> dict[int, str]:
    """The command line of each child, by its process id. Linux only."""
    found: dict[int, str] = {}
    with suppress(OSError):  # it may have ended a moment ago
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with suppress(OSError):
                found[int(child)] = (
                    Path(f"/proc/{child}/cmdline")
                    .read_bytes()
                    .replace(b"\0", b" ")
                    .decode()
                )
    return found


def started_children_of(pid: int) -> list[int]:
    """The children that execute a program of their own. One that a signal stops before
    that keeps its parent waiting, in another state than that of a stopped process."""
    own = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return [child for child, line in children_of(pid).items() if line != own]


def is_alive(pid: int) -> bool:
    """Whether the process runs: not gone, and not a zombie that waits to be reaped."""
    try:
        os.kill(pid, 0)
        return sys.platform != "linux" or _state(pid) != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def is_stopped(pid: int) -> bool:
    """Whether a signal holds it. Linux only."""
    return _state(pid) == "T"


def _state(pid: int) -> str:
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    return stat.rpartition(")")[2].split()[0]
