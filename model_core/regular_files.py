"""Open regular files only: reading a pipe, a device or a socket may never end."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_regular(path: Path) -> BufferedReader:
    """Return a file opened for reading, in binary mode. Raise OSError if it is not a
    regular file, without waiting for it to become ready."""
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115  (the caller closes it)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return file


def _without_waiting(path: str, flags: int) -> int:
    # Without O_NONBLOCK, opening a pipe waits until another process writes to it.
    return os.open(path, flags | os.O_NONBLOCK)
