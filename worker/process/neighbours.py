"""How many workers draw on this machine's CPU, by locks in a directory that they share.

Containers have host names of their own, but one kernel, and with it one boot id. A lock
ends with its process, however that ends.
"""

import fcntl
import os
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MOST = 64
"""Further workers are not counted."""


class Neighbours:
    """The workers of this machine that share a directory; this process is one of them
    until it ends."""

    def __init__(self, directory: Path) -> None:
        """Raises OSError if the directory cannot be written."""
        directory.mkdir(parents=True, exist_ok=True)
        boot = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else "here"
        self._paths = [directory / f".drawing-{boot}-{i}" for i in range(_MOST)]
        self._own = next(filter(None, map(_locked, self._paths)), None)

    def count(self) -> int:
        """Return how many of them there are now, at least 1."""
        count = 1
        for path in self._paths:
            if self._own and path == self._own[0]:
                continue
            if path.exists():
                other = _locked(path)
                if other is None:
                    count += 1
                else:
                    os.close(other[1])
        return count


def _locked(path: Path) -> tuple[Path, int] | None:
    """Return a path with a descriptor that holds its lock; None if another one does."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return path, descriptor
