"""Make the C library keep the memory that a network's pass frees, for the next pass."""

import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_NEVER = 2**31 - 1  # bytes; mallopt takes an int
_LARGEST = 2**30  # bytes; smaller blocks are never mapped separately


def keep_freed_memory() -> bool:
    """Make the C library keep freed memory in this process; return True if that worked
    (Linux with glibc). From then on the process never shrinks below its largest size so
    far."""
    # A step of training or a scoring pass allocates the same megabytes each time. By
    # default the C library returns them to the system and gets them again by page
    # faults, which takes up to a quarter of the time of a small recurrent network
    # (benchmarks/training.py measures both).
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(
        mallopt(_M_TRIM_THRESHOLD, _NEVER) and mallopt(_M_MMAP_THRESHOLD, _LARGEST)
    )
