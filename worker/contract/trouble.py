"""Tells Redis's own troubles from faults in what it was told."""

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
"""First words of Redis errors that pass, or that an operator can mend: out of memory, read-only replica, cannot write
its file, held up by a script, too few replicas, a right is missing."""

_NAMES = (
    "OutOfMemoryError",
    "ReadOnlyError",
    "NoPermissionError",
    "AuthenticationError",
    "BusyLoadingError",
    "MasterDownError",
    "ExecAbortError",
)
"""Exceptions that redis-py makes of some of them; it takes the word away."""

_OF_A_CLUSTER = (
    "ClusterDownError",
    "ClusterCrossSlotError",
    "MovedError",
    "AskError",
    "TryAgainError",
)


def is_store_trouble(error: Exception) -> bool:
    """True if the same command may succeed later, or as soon as an operator has mended the server."""
    return (
        _is_any(error, _NAMES) or is_of_cluster(error) or str(error).startswith(_WORDS)
    )


def is_of_cluster(error: Exception) -> bool:
    """Is it what a server of a cluster says?"""
    return _is_any(error, _OF_A_CLUSTER) or "in a cluster" in str(error)


def _is_any(error: BaseException, names: Collection[str]) -> bool:
    return not {kind.__name__ for kind in type(error).__mro__}.isdisjoint(names)


def locked_out(error: BaseException | None) -> str:
    """Why the server does not let this client in, where that is what the error says; else nothing."""
    while error is not None:
        if _is_any(error, ["AuthenticationError"]):
            return "it does not take this user and password"
        if "DB index is out of range" in str(error):
            return "it has no database of this number"
        error = error.__cause__
    return ""
