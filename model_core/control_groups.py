"""The control groups of this process, which may limit it to a part of the machine."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

GROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def directories(
    controller: str, groups: Path = GROUPS, own: Path = OWN
) -> Iterator[tuple[Path, bool]]:
    """Yield the directory of each group of this process and of the groups around it, and
    whether it is one of the unified hierarchy (cgroup v2) or of the older one.

    controller: "cpu" or "memory". groups, own: where Linux shows groups, and the file in
    which it names those of this process. Yield nothing on other systems.
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
