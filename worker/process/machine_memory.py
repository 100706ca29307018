"""How much memory this machine has, or the container that this process runs in."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_GROUPS = Path("/sys/fs/cgroup")


def usable(groups: Path = _GROUPS, own: Path = Path("/proc/self/cgroup")) -> int:
    """Bytes: the machine's, or less where a control group allows less."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *_group_limits(groups, own)])


def _group_limits(groups: Path, own: Path) -> Iterator[int]:
    """Yield what each group that this process is in allows; of the unified hierarchy (cgroup v2) and of the older
    one."""
    try:
        lines = own.read_text(encoding="ascii").splitlines()
    except OSError:  # not on Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            root, name = (
                (groups / "memory", "memory.limit_in_bytes")
                if controllers
                else (groups, "memory.max")
            )
            group = PurePosixPath(path.lstrip("/"))
            for each in (group, *group.parents):
                yield from _number(root / each / name)


def _number(path: Path) -> Iterator[int]:
    """Yield the file's number; none if there is no file, or no limit ("max")."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return
    if text.isdigit():
        yield int(text)
