"""The memory that the embedded server may use."""

from worker.process.machine_memory import usable

SHARE = 4
LEAST = 256 * 1024 * 1024


def server_limit() -> int:
    """Return the bytes that the embedded server may use: a quarter of the memory that
    this process may use, because workers need the most; at least 256 MiB."""
    return max(LEAST, usable() // SHARE)
