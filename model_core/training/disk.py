"""A disk that is full, said in one sentence."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_core.errors import PixelRNNError
from model_core.training.files import RunPaths

_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


class DiskError(PixelRNNError):
    """The files of a run cannot be written; the last checkpoint is still good."""


@contextmanager
def explained_disk(directory: Path) -> Iterator[None]:
    """Turn an error of writing a run's files into a DiskError that says how the run goes on."""
    try:
        yield
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        way_on = RunPaths(directory).way_on("make room")
        raise DiskError(
            f"cannot write into {directory}: {(error.strerror or str(error)).lower()}: {way_on}"
        ) from None
