"""The time at which another process of this machine says that it will be back: one number in memory that both see.

A step of the engine may take a millisecond, so this costs less than one: no message, no lock.
"""

import mmap
import struct
import tempfile
import time
from typing import IO

_TIME = struct.Struct("d")


class Due:
    """A time by the clock that all processes of a machine share, `time.monotonic`. One process writes it, another reads
    it; the other one gets at it by the number of an open descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, _TIME.size)

    def within(self, seconds: float) -> None:
        """Say that this process will be back in so many seconds."""
        _TIME.pack_into(self._memory, 0, time.monotonic() + seconds)

    def is_over(self) -> bool:
        """True if the time has passed."""
        return time.monotonic() > _TIME.unpack_from(self._memory, 0)[0]


def shared() -> IO[bytes]:
    """An unnamed file for it, to be handed to both processes."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  (the caller closes it)
    file.truncate(_TIME.size)
    return file
