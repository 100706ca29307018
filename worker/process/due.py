"""Deadlines in memory that two processes of a machine share: one writes when its thread
will be back, the other checks it.

A step of the engine process may take a millisecond, so writing a deadline has to cost
less: it takes no message and no lock.

On a busy machine a step may be long by the clock without being long by CPU time. So
a thread counts as hung only if it has used as much CPU time as it was allowed, or if it
uses none at all for a while. A thread that waits for helper threads uses none
itself: then it counts as hung if one helper has used too much, or if all of them use
    none.
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
"""Seconds by the clock in which a late thread uses no CPU time, after which it counts
as hung: it waits for something that does not end."""

_HEADER = struct.Struct("dq")
"""The deadline by `time.monotonic`, which all processes of a machine share, and the
number of threads."""
_THREAD = struct.Struct("dq")
"""The CPU time at which a thread is late, in seconds, and the system's number of the
thread."""
MOST_THREADS = 64
"""Most threads of one deadline; further helpers are ignored."""
_BYTES = _HEADER.size + MOST_THREADS * _THREAD.size

Used = tuple[int, float]
"""The system's number of a thread, and the seconds of CPU time that it has used."""


class Due:
    """A deadline in shared memory, which one process writes with `within` and another
    reads."""

    def __init__(
        self, descriptor: int, helpers: Callable[[], Sequence[Used]] = tuple
    ) -> None:
        """descriptor: of the shared memory (`shared_file`), which is mapped.
        helpers: returns the threads for which the writing thread waits, with their used
            CPU time."""
        self._helpers = helpers
        self._memory = mmap.mmap(descriptor, _BYTES)
        self._seen: object = None
        self._seen_at = 0.0

    def within(self, seconds: float) -> None:
        """Set the deadline: the calling thread will be back in this many seconds."""
        own = threading.get_native_id(), _own_used_s()
        # On other systems the clock replaces processor time, so helpers add nothing.
        helpers = self._helpers() if sys.platform == "linux" else ()
        self._write(seconds, [own, *helpers])

    def expect(self, thread: int, seconds: float) -> None:
        """Set the deadline of another thread, such as the main thread of a new process.

        thread: the system's number.
        """
        self._write(seconds, [(thread, used_s(thread))])

    def is_over(self) -> bool:
        return time.monotonic() > self._back_at()

    def is_hung(self) -> bool:
        """Return True if the deadline has passed, and either one of the threads has
        used the allowed CPU time, or none has used any for STILL_S seconds.

        The second case needs repeated calls, which compare what the threads have used.
        """
        back_at = self._back_at()
        now = time.monotonic()
        if now <= back_at:
            return False

        allowed = self._allowed()
        used = [used_s(thread) for thread, _ in allowed]
        # Any change, of the deadline or of the time used, begins the wait again.
        if self._seen != (back_at, used):
            self._seen = (back_at, used)
            self._seen_at = now

        has_used_up = any(
            seconds > most for seconds, (_, most) in zip(used, allowed, strict=True)
        )
        return has_used_up or now > self._seen_at + STILL_S

    def _write(self, seconds: float, threads: Sequence[Used]) -> None:
        threads = threads[:MOST_THREADS]
        for place, (thread, used) in enumerate(threads):
            at = _HEADER.size + place * _THREAD.size
            _THREAD.pack_into(self._memory, at, used + seconds, thread)
        # Written last: until then a reader finds the earlier deadline, with threads that
        # may use more time, and so never too early a one.
        _HEADER.pack_into(self._memory, 0, time.monotonic() + seconds, len(threads))

    def _back_at(self) -> float:
        return _HEADER.unpack_from(self._memory, 0)[0]

    def _allowed(self) -> list[Used]:
        count = _HEADER.unpack_from(self._memory, 0)[1]
        places = (_HEADER.size + place * _THREAD.size for place in range(count))
        found = [_THREAD.unpack_from(self._memory, at) for at in places]
        return [(thread, most) for most, thread in found]


_own_used_s = time.thread_time if sys.platform == "linux" else time.monotonic


def used_s(thread: int) -> float:
    """Return the seconds of CPU time that a thread of any process has used; infinity if
    it has ended. On systems other than Linux, the clock's time.

    thread: the system's number.
    """
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


def shared_file() -> IO[bytes]:
    """Return a new unnamed file of the size that `Due` maps. The caller passes its
    descriptor to both processes, and closes it."""
    if sys.platform == "linux":
        # In memory: on a full disk, writing to a mapped file would end the process.
        file = os.fdopen(os.memfd_create("due"), "r+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115  (the caller closes it)
    file.truncate(_BYTES)
    return file
