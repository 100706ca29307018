"""Opening regular files alone: a pipe, a device or a socket in the place of one may never end."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_regular(path: Path) -> BufferedReader:
    """A file that is opened for reading, without waiting for it; OSError for what is no regular file."""
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115  (the caller closes it)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(
        path, flags | os.O_NONBLOCK
    )  # a pipe would wait for somebody who writes
