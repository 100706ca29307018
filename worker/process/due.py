"""When a thread of another process of this machine says that it will be back: some numbers in memory that both see.

A step of the engine may take a millisecond, so this costs less than one: no message, no lock.

A machine that is busy with something else makes a step long by the clock, and not by the processor. So a thread is
given up only for what it has used of a processor itself, or when it uses none at all. While a thread waits for helpers,
it uses none: then it is late if one of them has used too much, or if they all use none.
"""

import math
import mmap
import os
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

STILL_S = 30.0
"""A late thread that uses no processor for so long, by the clock, is held up by something that does not end."""

_HEADER = struct.Struct("dq")
"""When it is back by the clock that all processes of a machine share, `time.monotonic`; and the number of threads."""
_THREAD = struct.Struct("dq")
"""What a thread may have used of a processor by then; and the thread's number."""
MOST_THREADS = 64
_BYTES = _HEADER.size + MOST_THREADS * _THREAD.size

Used = tuple[int, float]
"""The system's number of a thread, and the seconds that it has used of a processor."""


class Due:
    """One process writes it, another reads it; the other one gets at it by the number of an open descriptor."""

    def __init__(
        self, descriptor: int, helpers: Callable[[], Sequence[Used]] = tuple
    ) -> None:
        """helpers: return the threads for which the writer waits, and what they have used so far."""
        self._helpers = helpers
        self._memory = mmap.mmap(descriptor, _BYTES)
        self._seen: object = None
        self._seen_at = 0.0

    def within(self, seconds: float) -> None:
        """Say that this thread will be back in so many seconds."""
        own = threading.get_native_id(), _own_used_s()
        # Where the clock stands for it, what helpers use tells nothing more.
        helpers = self._helpers() if sys.platform == "linux" else ()
        self._write(seconds, [own, *helpers])

    def expect(self, thread: int, seconds: float) -> None:
        """Say it of another thread, that of a new process for example."""
        self._write(seconds, [(thread, used_s(thread))])

    def is_over(self) -> bool:
        """True if the time has passed by the clock."""
        return time.monotonic() > self._back_at()

    def is_hung(self) -> bool:
        """True if the time has passed, and the thread or one of its helpers has used as much of a processor, or all of
        them have been seen to use none for STILL_S."""
        back_at, now = self._back_at(), time.monotonic()
        if now <= back_at:
            return False
        allowed = self._allowed()
        used = [used_s(thread) for thread, _ in allowed]
        if self._seen != (back_at, used):
            self._seen, self._seen_at = (back_at, used), now
        has_used_up = any(
            of_thread > most for of_thread, (_, most) in zip(used, allowed, strict=True)
        )
        return has_used_up or now > self._seen_at + STILL_S

    def _write(self, seconds: float, threads: Sequence[Used]) -> None:
        threads = threads[:MOST_THREADS]
        for place, (thread, used) in enumerate(threads):
            at = _HEADER.size + place * _THREAD.size
            _THREAD.pack_into(self._memory, at, used + seconds, thread)
        # Last: before, a reader finds the earlier time, and threads that may use more.
        _HEADER.pack_into(self._memory, 0, time.monotonic() + seconds, len(threads))

    def _back_at(self) -> float:
        return _HEADER.unpack_from(self._memory, 0)[0]

    def _allowed(self) -> list[Used]:
        """Return the threads, and what each may use of a processor."""
        count = _HEADER.unpack_from(self._memory, 0)[1]
        places = (_HEADER.size + place * _THREAD.size for place in range(count))
        found = [_THREAD.unpack_from(self._memory, at) for at in places]
        return [(thread, most) for most, thread in found]


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
    file.truncate(_BYTES)
    return file
