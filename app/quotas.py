"""Quotas of callers, and the headers RateLimit-Policy and RateLimit that report them
(IETF draft "RateLimit header fields for HTTP", version 10). app.services.submission
enforces the quotas."""

from collections.abc import Iterable
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


DESCRIBED = {
    "RateLimit-Policy": {
        "description": "The caller's allowances: `jobs`, `q` of them in `w` seconds, "
        "and `open-jobs`, `q` at a time. After wrong keys: `wrong-keys`, the "
        "allowance of the caller's address",
        "schema": {"type": "string"},
        "example": '"jobs";q=100;w=2, "open-jobs";q=512;qu="concurrent-requests"',
    },
    "RateLimit": {
        "description": "The rest `r` of each allowance, and the seconds `t` until all "
        "of it is available again",
        "schema": {"type": "string"},
        "example": '"jobs";r=99;t=1, "open-jobs";r=511',
    },
}


def rate_limit_headers(quotas: Iterable[Quota]) -> dict[str, str]:
    """Return both headers, by name; an empty dictionary if there is no quota."""
    quotas = tuple(quotas)
    if not quotas:
        return {}
    return {
        "RateLimit-Policy": ", ".join(_policy(quota) for quota in quotas),
        "RateLimit": ", ".join(_state(quota) for quota in quotas),
    }


def _policy(quota: Quota) -> str:
    unit = "" if quota.unit is None else f';qu="{quota.unit}"'
    window = "" if quota.window_s is None else f";w={quota.window_s}"
    return f'"{quota.name}";q={quota.size}{unit}{window}'


def _state(quota: Quota) -> str:
    back = "" if quota.back_in_s is None else f";t={quota.back_in_s}"
    return f'"{quota.name}";r={max(0, quota.left)}{back}'
