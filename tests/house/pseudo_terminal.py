"""A command as a person at a terminal sees it."""

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence


def in_terminal(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run it to its end with a terminal as stderr; its exit code, and what was written there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs, env=environment
    )
    os.close(theirs)
    written = bytearray()
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # Linux says so where others say that there is no more
            break
        if not data:
            break
        written += data
    os.close(ours)
    return process.wait(60), written.decode(errors="replace")
