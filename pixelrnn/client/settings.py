"""Settings that both clients give to httpx, and how patient they are."""

from dataclasses import dataclass
from typing import Any

import httpx

from pixelrnn.client.errors import AddressError

TRIES = 8
_CONNECT_S = 10.0
_SILENCE_S = 60.0
"""Longer than a long poll, and than the pause between two comments on a quiet stream."""


@dataclass
class Habits:
    """How patient a client is with its service, and what it knows of it."""

    tries: int = TRIES
    timeout_s: float | None = None
    """Seconds without an answer after which a call is given up, however many tries are left."""
    has_answered: bool = False
    """The service has answered before: an address that never has is given up sooner."""

    def poll_s(self, at_most: float) -> float:
        """How long the service may be asked to wait before it answers."""
        return at_most if self.timeout_s is None else min(at_most, self.timeout_s / 2)


def http_options(url: str, key: str | None, timeout_s: float | None) -> dict[str, Any]:
    """Address, key and timeouts of a client. AddressError for an address that no service can have."""
    check_address(url)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    silence_s = _SILENCE_S if timeout_s is None else timeout_s
    timeouts = httpx.Timeout(min(_CONNECT_S, silence_s), read=silence_s)
    return {"base_url": url, "headers": headers, "timeout": timeouts}


def check_address(url: str) -> None:
    """AddressError for an address that no service can have."""
    try:
        address = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        raise AddressError(url) from None
    if address.scheme not in ("http", "https") or not address.host:
        raise AddressError(url)
