"""Run a command that dies with the process that started it: `python tether.py
PARENT_PID COMMAND...`.

This is a program, and not a hook between fork and exec, because such a hook is not safe
in a process with threads, which torch starts. Only Linux can tell a process of its
parent's death; on other systems the command may outlive its parent.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Become the command (exec): this function does not return. Exits with status 1 if
    the parent has died already.

    arguments: the parent's process id, then the command, whose first word is an
        absolute path.
    """
    parent, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        raise SystemExit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
