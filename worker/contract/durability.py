"""Checks of a Redis server: whether it can be used, and whether it keeps what it has
acknowledged. Jobs are stored nowhere else."""

from collections.abc import Mapping
from typing import Any

CLUSTER = (
    "Redis runs in cluster mode, which spreads one job's keys over several servers: "
    "expected a server without cluster mode"
)
"""Message for a server that `is_cluster`."""


def is_cluster(cluster: Mapping[str, Any]) -> bool:
    """Return True if the server runs in cluster mode. `cluster` is the section of that
    name from INFO."""
    return bool(int(cluster.get("cluster_enabled", 0)))


LOADING = "Redis is still reading its file"
"""Message for a server that `is_loading`."""


def is_loading(persistence: Mapping[str, Any]) -> bool:
    """Return True if the server is still reading its file. Until it has finished, INFO
    reports no append-only file, even if one is configured.

    persistence: the section of that name from INFO.
    """
    return bool(int(persistence.get("loading", 0)))


def weaknesses(
    memory: Mapping[str, Any], persistence: Mapping[str, Any], appendfsync: str | None
) -> tuple[str, ...]:
    """Return how the server may lose accepted jobs or their rows, a sentence for each;
    empty if it keeps everything.

    memory, persistence: sections of INFO.
    appendfsync: the setting, or None if the server does not allow CONFIG GET.
    """
    found = []
    if not int(persistence.get("aof_enabled", 0)):
        found.append(
            "appendonly is off: after a restart the server has an older state, or none"
        )
    elif appendfsync is None:
        found.append(
            "appendfsync cannot be read (CONFIG GET is not allowed): expected always"
        )
    elif appendfsync != "always":
        found.append(
            f"appendfsync is {appendfsync}: a power cut loses the newest writes"
        )
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        found.append(f"maxmemory-policy is {policy}: a full server drops jobs and rows")
    return tuple(found)
