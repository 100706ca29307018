"""Run a command that dies with the process that started it: `python tether.py PARENT_PID COMMAND...`.

A separate program and not a hook between fork and exec, because such a hook is not safe in a process with threads
(torch has some). Only Linux can tell a process of its parent's death; elsewhere the command runs untethered.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Become the command; exit at once if the parent has died before the kernel was told."""
    parent, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        raise SystemExit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
