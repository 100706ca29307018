"""Quotas of callers, as responses report them. app.services.submission enforces them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Quota:
    """One quota of one caller."""

    name: str
    size: int
    """How much of it there is if nothing is used."""
    left: int
    """How much is left."""
    window_s: int | None = None
    """Seconds to refill from empty; None if it is not refilled by time."""
    back_in_s: int | None = None
    """Seconds until all of it is available again."""
    unit: str | None = None
    """Unit of the count, if it is not requests."""
