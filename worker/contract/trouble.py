"""Tells Redis's own troubles from faults in what it was told."""

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


def is_store_trouble(error: Exception) -> bool:
    """True if the same command may succeed later, or as soon as an operator has mended the server."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return not names.isdisjoint(_NAMES) or str(error).startswith(_WORDS)


def locked_out(error: BaseException | None) -> str:
    """Why the server does not let this client in, where that is what the error says; else nothing."""
    while error is not None:
        if "AuthenticationError" in {kind.__name__ for kind in type(error).__mro__}:
            return "it does not take this user and password"
        if "DB index is out of range" in str(error):
            return "it has no database of this number"
        error = error.__cause__
    return ""
