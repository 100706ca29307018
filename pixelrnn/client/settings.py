"""Settings of httpx that both clients share, and how patient they are."""

from dataclasses import dataclass
from typing import Any

import httpx

from pixelrnn.client.errors import AddressError, ApiKeyError

TRIES = 8
"""How often a call is tried, at most."""
_CONNECT_S = 10.0
"""Seconds until a connection must be open."""
_NOT_IN_HEADERS = frozenset("\0\n\v\f\r")
"""Characters that h11 refuses within a header's value."""
_SILENCE_S = 60.0
"""Seconds between two bytes of a response: more than a long poll takes, and more than
the time between two comments on a quiet stream."""


@dataclass
class Habits:
    """How patient a client is with its service, and what it knows of it.

    tries: maximum number of tries of a call.
    """

    tries: int = TRIES
    timeout_s: float | None = None
    """Seconds without a response after which a call is given up, however many tries are
    left; None: no limit."""
    has_answered: bool = False
    """True after the first response. A service that has never responded is given up
    sooner."""

    def poll_s(self, at_most: float) -> float:
        """Return the seconds for which the service may hold back a response: at most
        `at_most`, and half of the timeout."""
        return at_most if self.timeout_s is None else min(at_most, self.timeout_s / 2)


def http_options(url: str, key: str | None, timeout_s: float | None) -> dict[str, Any]:
    """Return the keyword arguments for an httpx client of this service.

    key: white space around it is not sent. ApiKeyError is raised for one that no header
        can have.
    timeout_s: seconds without a response after which a call is given up; None: no
        limit.

    Raises AddressError for an invalid URL.
    """
    check_address(url)
    # A key that was read from a file ends in a line feed.
    key = (key or "").strip()
    if not _NOT_IN_HEADERS.isdisjoint(key):
        raise ApiKeyError
    # As bytes, because httpx refuses text that is not ASCII with a UnicodeError; the
    # service answers 401 to a key that it does not know, whatever it consists of.
    headers = {"Authorization": f"Bearer {key}".encode()} if key else {}
    silence_s = _SILENCE_S if timeout_s is None else timeout_s
    timeouts = httpx.Timeout(min(_CONNECT_S, silence_s), read=silence_s)
    return {"base_url": url, "headers": headers, "timeout": timeouts}


def check_address(url: str) -> None:
    """Raise AddressError if the URL cannot be that of a service."""
    try:
        address = httpx.URL(url)
        # As a socket does: a part of the name may be empty, or too long.
        address.host.encode("idna")
    except (httpx.InvalidURL, TypeError, UnicodeError):
        raise AddressError(url) from None
    if address.scheme not in ("http", "https") or not address.host:
        raise AddressError(url)
