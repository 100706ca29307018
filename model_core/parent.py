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
    has stopped it. Only Linux can do this.

    A process does not inherit this from its parent, so each process of a group calls
    it. parent: the process id of the parent; if it has died before, this process ends
    at once, with status 1.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def end_on_hangup() -> None:
    """Give SIGHUP its default action in this process and in those that it starts, which
    `nohup` takes from all descendants. The leader of a process group calls it, in the
    main thread.

    When the leader's parent has died, the kernel sends SIGHUP to a group with stopped
    processes. It is what ends those that had no time to call `die_with_parent`.
    """
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
