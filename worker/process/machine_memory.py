"""The memory of this machine, or of the container in which this process runs."""

import os
from collections.abc import Iterator
from pathlib import Path

from model_core.control_groups import GROUPS, OWN, directories


def usable(groups: Path = GROUPS, own: Path = OWN) -> int:
    """Return the bytes of memory that this process may use: the machine's, or fewer if
    a control group allows less.

    groups, own: for tests.
    """
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *_group_limits(groups, own)])


def _group_limits(groups: Path, own: Path) -> Iterator[int]:
    for group, is_unified in directories("memory", groups, own):
        name = "memory.max" if is_unified else "memory.limit_in_bytes"
        yield from _number(group / name)


def _number(path: Path) -> Iterator[int]:
    """Yield the number in a file, if there is one and it is not "max"."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return
    if text.isdigit():
        yield int(text)
