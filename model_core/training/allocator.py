"""Ask the C library to keep the memory that a training step frees, for the next step to use."""

import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_NEVER = 2**31 - 1
_LARGEST = 2**30


def keep_freed_memory() -> bool:
    """Tell the C library to keep freed memory; True if it could be told. It is glibc's mallopt, elsewhere nothing
    happens.

    A step allocates the same few hundred megabytes each time. By default they go back to the system and come again as
    page faults, a quarter of the step of a small recurrent network (benchmarks/training.py measures with and without).
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, _NEVER) and mallopt(_M_MMAP_THRESHOLD, _LARGEST))
