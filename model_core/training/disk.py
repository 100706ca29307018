"""Explain errors of a full or broken disk in one sentence."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_core.errors import PixelRNNError
from model_core.training.files import RunPaths

_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


class DiskError(PixelRNNError):
    """The files of a run cannot be written; its last checkpoint is still good."""


@contextmanager
def explained_disk(directory: Path) -> Iterator[None]:
    """Context manager that turns an OSError of a full or broken disk into a DiskError
    that says how to continue the run. Other exceptions are not changed.

    directory: the run's.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        way_on = RunPaths(directory).way_on("make room")
        raise DiskError(
            f"cannot write into {directory}: "
            f"{(error.strerror or str(error)).lower()}: {way_on}"
        ) from None
