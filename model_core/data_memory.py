"""How much memory this process has, as the kernel bounds it."""

import os
import sys
from pathlib import Path


def data_bytes() -> int:
    """Return how many bytes of data this process has, as RLIMIT_DATA counts them; 0 if
    the system does not say."""
    if sys.platform != "linux":
        return 0
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    return pages * os.sysconf("SC_PAGE_SIZE")
