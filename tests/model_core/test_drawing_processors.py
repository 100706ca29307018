"""In how many threads a process draws when nobody names a number."""

from pathlib import Path

import pytest

from model_core.processors import available, default_threads


@pytest.mark.parametrize(
    ("processors", "workers", "threads"),
    [(1, 1, 1), (2, 1, 1), (4, 1, 3), (4, 2, 1), (8, 2, 3), (64, 1, 16), (64, 4, 4)],
)
def test_one_processor_is_left_for_everything_else(
    processors: int, workers: int, threads: int
) -> None:
    """Workers share the rest, and one alone has sixteen threads at the most."""
    assert default_threads(processors, workers) == threads


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", 8),
        ("250000 100000", 2),
        ("50000 100000", 1),
        ("900000 100000", 8),
    ],
)
def test_quota_of_a_control_group_counts(
    tmp_path: Path, quota: str, expected: int
) -> None:
    """Of the group itself or of one that it is in; parts of a processor count for
    nothing, but there is always one."""
    own, groups = tmp_path / "cgroup", tmp_path / "groups"
    (groups / "pods" / "one").mkdir(parents=True)
    own.write_text("0::/pods/one\n")
    assert available(8, groups, own) == 8
    (groups / "pods" / "cpu.max").write_text(f"{quota}\n")
    assert available(8, groups, own) == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", 8), ("300000", 3)])
def test_quota_of_the_older_hierarchy_counts(
    tmp_path: Path, quota: str, expected: int
) -> None:
    """Where -1 stands for no limit."""
    own, group = tmp_path / "cgroup", tmp_path / "groups" / "cpu" / "docker"
    group.mkdir(parents=True)
    own.write_text("4:memory:/docker\n3:cpu,cpuacct:/docker\n")
    (group / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    assert available(8, tmp_path / "groups", own) == expected


def test_this_process_has_a_processor() -> None:
    """Also where there is no control group."""
    assert available(own=Path("/nowhere")) >= 1
    assert available(groups=Path("/nowhere")) >= 1
