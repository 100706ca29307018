"""An allowance of a caller, and how much of it is left. app.services.submission decides by them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Quota:
    """One allowance of one caller."""

    name: str
    size: int
    """All of it, when nothing is used."""
    left: int
    window_s: int | None = None
    """Seconds to refill from empty; None if it is not refilled by time."""
    back_in_s: int | None = None
    """Seconds until all of it is there again."""
    unit: str | None = None
    """Unit of the count, if it is not requests."""
