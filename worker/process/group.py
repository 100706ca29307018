"""The processes of one training: a leader, which a trainer starts as the first of a new
process group, and those that the leader starts in the same group."""

import os
import signal
import subprocess
import time
from contextlib import suppress

_LOOK_S = 0.01
_GONE_S = 5.0
"""Seconds within which killed processes are gone; one that a broken disk holds may take
longer."""


def signal_group(leader: "subprocess.Popen[bytes]", number: int) -> None:
    """Send a signal to all processes of a group, if any, in one call of the kernel.

    leader: started with `process_group=0`.
    """
    # A group of zombies is no error on Linux, and EPERM on other systems.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader.pid, number)


def end_group(leader: "subprocess.Popen[bytes]") -> None:
    """Kill all processes of a group, even stopped ones, and wait until they are gone.
    The leader may have ended already."""
    signal_group(leader, signal.SIGKILL)
    leader.wait()
    deadline = time.monotonic() + _GONE_S
    while _has_members(leader.pid) and time.monotonic() < deadline:
        time.sleep(_LOOK_S)


def _has_members(group: int) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(-group, os.WNOHANG)
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
