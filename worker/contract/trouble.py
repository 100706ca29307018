"""Distinguishes temporary problems of the Redis server from faults in the commands sent
to it."""

from collections.abc import Collection

_WORDS = (
    "OOM",
    "READONLY",
    "MISCONF",
    "BUSY",
    "NOREPLICAS",
    "NOPERM",
    "NOAUTH",
    "LOADING",
    "MASTERDOWN",
    "ACL failure",
)
"""First words of Redis errors that pass, or that an operator can repair: out of memory,
read-only replica, file cannot be written, blocked by a script, too few replicas,
missing right."""

_NAMES = (
    "OutOfMemoryError",
    "ReadOnlyError",
    "NoPermissionError",
    "AuthenticationError",
    "BusyLoadingError",
    "MasterDownError",
    "ExecAbortError",
)
"""Exceptions that redis-py raises for some of them; it removes the first word."""

_OF_A_CLUSTER = (
    "ClusterDownError",
    "ClusterCrossSlotError",
    "MovedError",
    "AskError",
    "TryAgainError",
)


def is_store_trouble(error: Exception) -> bool:
    """Return True if the server refuses the command for a reason that passes or that an
    operator can repair, such as a full memory or a wrong password. Lost connections and
    timeouts give False."""
    return (
        _is_any(error, _NAMES) or is_of_cluster(error) or str(error).startswith(_WORDS)
    )


def is_of_cluster(error: Exception) -> bool:
    """Return True if the error is one that only a server in cluster mode sends."""
    return _is_any(error, _OF_A_CLUSTER) or "in a cluster" in str(error)


def _is_any(error: BaseException, names: Collection[str]) -> bool:
    return not {kind.__name__ for kind in type(error).__mro__}.isdisjoint(names)


def locked_out(error: BaseException | None) -> str:
    """Return why the server refuses this client: a wrong user or password, or a missing
    database. Return an empty string if neither the error nor a cause behind it
    (`__cause__`) is one of these."""
    while error is not None:
        if _is_any(error, ["AuthenticationError"]):
            return "it does not accept this user and password"
        if "DB index is out of range" in str(error):
            return "it has no database of this number"
        error = error.__cause__
    return ""
