"""A process that must not outlive the one that started it.

This file imports nothing of the project, so that it can be the first thing that a new
process does.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process as soon as its parent dies, even while a signal
    has stopped it; only Linux does this. If the parent has died already, this process
    ends at once, with status 1. Each process of a group calls it, because it is not
    inherited.

    parent: the process id of the parent.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def end_on_hangup() -> None:
    """Give SIGHUP its default action, which ends the process, in this process and in
    those that it starts. The leader of a process group calls it, in the main thread."""
    # When the leader's parent has died, the kernel sends SIGHUP to a group with
    # stopped processes. It is what ends those that had no time to call
    # `die_with_parent`. `nohup` would have taken it from all descendants.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
