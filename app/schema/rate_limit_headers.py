"""The headers RateLimit-Policy and RateLimit, which tell a caller what it may still do
(IETF draft "RateLimit header fields for HTTP", version 10): their description and their
values."""

from collections.abc import Iterable

from app.quotas import Quota

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
