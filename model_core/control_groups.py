"""The control groups of this process, which may limit it to a part of the machine."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

GROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def directories(
    controller: str, groups: Path = GROUPS, own: Path = OWN
) -> Iterator[tuple[Path, bool]]:
    """Yield, for each control group of this process and those around it, its directory,
    and True if it belongs to the unified hierarchy (cgroup v2). Yield nothing on
    systems other than Linux.

    controller: "cpu" or "memory".
    groups: directory where Linux shows groups.
    own: file in which Linux names those of this process.
    """
    try:
        lines = own.read_text(encoding="ascii").splitlines()
    except OSError:  # not on Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        is_unified = not controllers
        if not is_unified and controller not in controllers.split(","):
            continue
        root = groups if is_unified else groups / controller
        group = PurePosixPath(path.lstrip("/"))
        for each in (group, *group.parents):
            yield root / each, is_unified
