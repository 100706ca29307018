"""How much of this machine's memory the embedded server may take."""

from worker.process.machine_memory import usable

SHARE = 4
LEAST = 256 * 1024 * 1024


def server_limit() -> int:
    """Bytes: a quarter of what there is, because workers need the most; and at least 256 MiB."""
    return max(LEAST, usable() // SHARE)
