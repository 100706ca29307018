"""Ask the C library to keep the memory that a pass of a network frees, for the next pass to use."""

import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_NEVER = 2**31 - 1
_LARGEST = 2**30


def keep_freed_memory() -> bool:
    """Tell the C library to keep freed memory; True if it could be told. It is glibc's mallopt, elsewhere nothing
    happens.

    A step of training, or a pass that scores, allocates the same megabytes each time. By default they go back to the
    system and come again as page faults, up to a quarter of the time of a small recurrent network
    (benchmarks/training.py measures with and without). The process stays as large as it has been at most.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(
        mallopt(_M_TRIM_THRESHOLD, _NEVER) and mallopt(_M_MMAP_THRESHOLD, _LARGEST)
    )
