"""The start of a process that trains in a group, and does not lead it:
`python -m model_core.training.launched LEADER DIRECTORY` (launch.py).

It prints `ready` when it has imported everything, and in the end, if it fails by an
error that has a message for the user, that message as JSON.
"""

import json
import os
import signal
import sys
from pathlib import Path

from model_core.parent import die_with_parent

READY = "ready"
EXIT_FAILED = 2
EXIT_LOST = 4
"""Another process of the group has ended before; its exit status is the one to report."""


def main(leader: int, directory: Path) -> int:
    """Carry out the task of the group, and return the exit status.

    leader: process id of the leader, which started this process.
    directory: the group's.
    """
    die_with_parent(leader)
    # Ctrl-C reaches the whole group, but the leader alone decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # other output of this process is no message to the leader

    from model_core.errors import PixelRNNError
    from model_core.training.launch import read_task
    from model_core.training.memory import OutOfMemoryError
    from model_core.training.ranks import LostProcessError

    task = read_task(directory)
    print(READY, file=answers, flush=True)
    try:
        task.carry_out()
    except LostProcessError:
        return EXIT_LOST
    except PixelRNNError as error:
        is_memory = isinstance(error, OutOfMemoryError)
        failure = {"failed": str(error), "is_memory": is_memory}
        print(json.dumps(failure), file=answers, flush=True)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2])))
