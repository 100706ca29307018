"""When a thread of another process of this machine says that it will be back: some numbers in memory that both see.

A step of the engine may take a millisecond, so this costs less than one: no message, no lock.

A machine that is busy with something else makes a step long by the clock, and not by the processor. So a thread is
given up only for what it has used of a processor itself, or when it uses none at all.
"""

import math
import mmap
import os
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

STILL_S = 30.0
"""A late thread that uses no processor for so long, by the clock, is held up by something that does not end."""

_FIELDS = struct.Struct("ddq")
"""When it is back by the clock that all processes of a machine share, `time.monotonic`; what it may have used of a
processor by then; and the number of the thread."""


class Due:
    """One process writes it, another reads it; the other one gets at it by the number of an open descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, _FIELDS.size)
        self._seen: object = None
        self._seen_at = 0.0

    def within(self, seconds: float) -> None:
        """Say that this thread will be back in so many seconds."""
        self._write(threading.get_native_id(), seconds, _own_used_s())

    def expect(self, thread: int, seconds: float) -> None:
        """Say it of another thread, that of a new process for example."""
        self._write(thread, seconds, used_s(thread))

    def is_over(self) -> bool:
        """True if the time has passed by the clock."""
        return time.monotonic() > self._read()[0]

    def is_hung(self) -> bool:
        """True if the time has passed, and the thread has used as much of a processor, or has been seen to use none for
        STILL_S."""
        by_clock, by_processor, thread = self._read()
        now = time.monotonic()
        if now <= by_clock:
            return False
        used = used_s(thread)
        if self._seen != (by_clock, used):
            self._seen, self._seen_at = (by_clock, used), now
        return used > by_processor or now > self._seen_at + STILL_S

    def _write(self, thread: int, seconds: float, used: float) -> None:
        _FIELDS.pack_into(
            self._memory, 0, time.monotonic() + seconds, used + seconds, thread
        )

    def _read(self) -> tuple[float, float, int]:
        return _FIELDS.unpack_from(self._memory, 0)


_own_used_s = time.thread_time if sys.platform == "linux" else time.monotonic


def used_s(thread: int) -> float:
    """Seconds of a processor that this thread of any process has used; without end when it is gone. Only Linux tells:
    elsewhere the clock stands for it."""
    if sys.platform != "linux":
        return time.monotonic()
    try:
        stat = Path(f"/proc/{thread}/task/{thread}/stat").read_text(
            encoding="ascii", errors="replace"
        )
    except OSError:
        return math.inf
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def shared() -> IO[bytes]:
    """An unnamed file for it, to be handed to both processes."""
    if (
        sys.platform == "linux"
    ):  # on a full disk, the first word written to a file would end the process
        file = os.fdopen(os.memfd_create("due"), "r+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115  (the caller closes it)
    file.truncate(_FIELDS.size)
    return file
