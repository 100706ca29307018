"""Checks that a Redis server can be used and keeps what it has acknowledged: jobs are in no other place."""

from collections.abc import Mapping
from typing import Any

CLUSTER = "Redis runs in cluster mode, in which one job's keys lie on several servers: give a server that is no cluster"


def is_cluster(cluster: Mapping[str, Any]) -> bool:
    """Is it one of a cluster? cluster: what INFO says of that."""
    return bool(int(cluster.get("cluster_enabled", 0)))


LOADING = "Redis is still reading its file"


def is_loading(persistence: Mapping[str, Any]) -> bool:
    """Is it still reading its file? Until it has, it says that it writes none. persistence: what INFO says of that."""
    return bool(int(persistence.get("loading", 0)))


def weaknesses(
    memory: Mapping[str, Any], persistence: Mapping[str, Any], appendfsync: str | None
) -> tuple[str, ...]:
    """How the server may lose accepted jobs or rows of theirs, a sentence each; none where it keeps all.

    memory, persistence: what INFO says of both. appendfsync: the setting; None where CONFIG GET is not allowed.
    """
    found = []
    if not int(persistence.get("aof_enabled", 0)):
        found.append(
            "appendonly is off: after a restart it has an older state, or none"
        )
    elif appendfsync is None:
        found.append("appendfsync may not be asked for: it may be other than always")
    elif appendfsync != "always":
        found.append(f"appendfsync is {appendfsync}: a power cut takes what came last")
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        found.append(
            f"maxmemory-policy is {policy}: when it is full it drops jobs and rows"
        )
    return tuple(found)
