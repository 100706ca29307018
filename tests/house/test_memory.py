"""How much memory there is, where a control group allows less than the machine has."""

import os
from pathlib import Path

import pytest

from pixelrnn.embedded import LEAST, server_limit
from worker.process.machine_memory import usable

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/", {}, MACHINE),
        ("0::/", {"memory.max": "max\n"}, MACHINE),
        ("0::/", {"memory.max": "1048576\n"}, 1048576),
        ("0::/a/b", {"a/b/memory.max": "max", "a/memory.max": "4096"}, 4096),
        (
            "1:name=systemd:/x\n5:memory:/x",
            {"memory/x/memory.limit_in_bytes": "8192"},
            8192,
        ),
        (
            "5:memory:/x",
            {"memory/x/memory.limit_in_bytes": "9223372036854771712"},
            MACHINE,
        ),
    ],
)
def test_the_least_that_anything_allows_counts(
    tmp_path: Path, own: str, files: dict[str, str], expected: int
) -> None:
    """Of this group, those that it lies in, and the machine; of both kinds of hierarchy."""
    (tmp_path / "own").write_text(f"{own}\n")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable(tmp_path, tmp_path / "own") == expected


def test_without_control_groups_it_is_the_machine(tmp_path: Path) -> None:
    """As on macOS."""
    assert usable(tmp_path, tmp_path / "nowhere") == MACHINE


def test_the_server_may_use_a_quarter() -> None:
    """Workers need the most; and a server of a tiny machine can still serve."""
    assert server_limit() == max(LEAST, usable() // 4)
