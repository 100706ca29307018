"""A lock on a data directory, so that one server uses it. It lasts as long as any
process has its descriptor open."""

import fcntl
import os
import time
from pathlib import Path

from pixelrnn.errors import StartError

HANDOVER_S = 2.0
"""Seconds for which a locked directory is tried: a server whose owner was just killed
needs a moment to end."""


def lock_directory(directory: Path, wait_s: float = HANDOVER_S) -> int:
    """Create `directory` if it is missing, lock it, and return the open file
    descriptor. It is unlocked when every copy of the descriptor is closed; child
    processes inherit it.

    wait_s: seconds to wait for another process that holds the lock.

    Raises StartError if the lock is still held then, or if the directory cannot be
    written.
    """
    # A server that outlived its owner still protects its data by its copy of the
    # descriptor.
    path = directory / "lock"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(directory, error) from None
    deadline = time.monotonic() + wait_s
    while not _try_lock(descriptor):
        if time.monotonic() > deadline:
            owner = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise StartError(
                f"the data directory {directory} is in use by process {owner or 'unknown'}: "
                "stop it, or give another --data-dir"
            )
        time.sleep(0.05)
    try:
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        os.close(descriptor)
        raise _unwritable(directory, error) from None
    return descriptor


def _unwritable(directory: Path, error: OSError) -> StartError:
    return StartError(
        f"cannot write to the data directory {directory}: {error.strerror}"
    )


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
