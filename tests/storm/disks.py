"""Small disks that the storm fills now and then. Only root may mount them."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class SmallDisk:
    """Lies at a folder. is_real: it could be mounted."""

    def __init__(self, place: Path, size: str) -> None:
        self._place, self._ballast = place, place / "ballast"
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        self.is_real = (
            os.geteuid() == 0
            and subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0
        )

    def fill(self) -> None:
        """Leave no room on it."""
        with self._ballast.open("wb") as ballast, suppress(OSError):
            os.posix_fallocate(ballast.fileno(), 0, shutil.disk_usage(self._place).free)

    def clear(self) -> None:
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(place: Path, size: str, outlives: str = "") -> Iterator[SmallDisk]:
    """outlives: which of its files lie in the folder once it is unmounted."""
    place.mkdir(parents=True)
    disk = SmallDisk(place, size)
    try:
        yield disk
    finally:
        if disk.is_real:
            found = (
                {file.name: file.read_bytes() for file in place.glob(outlives)}
                if outlives
                else {}
            )
            subprocess.run(["umount", place], check=True)
            for name, content in found.items():
                (place / name).write_bytes(content)
