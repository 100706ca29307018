"""Who calls: the holder of an API key, or anybody where there are no keys."""

from dataclasses import dataclass

ANYONE = "anyone"
"""The owner of all jobs where there are no keys; as the owner who asks, it may see every job."""


@dataclass(frozen=True)
class Caller:
    """Somebody who was let in."""

    owner: str
    """The owner of its jobs: the key's name, or `anyone`."""
    account: str
    """The account whose allowance is used: the key's name, or the address."""
    rate: float | None = None
    """Jobs a second that it may hand in, where its key says so."""
    jobs: int | None = None
    """Jobs that it may have open, where its key says so."""
