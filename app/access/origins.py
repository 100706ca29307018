"""Origins of web pages, and the preflights of browsers."""

import re
from collections.abc import Mapping

ANY = "*"
"""Stands for every origin."""
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\sA-Z]+")


def checked_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    """Return these origins. Raise ValueError if one is not an origin as browsers send
    it, or `*`."""
    for origin in origins:
        if origin != ANY and not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f"{origin!r} is no origin, as browsers send it: expected "
                "https://pixels.example or http://localhost:5173, in lower case, "
                "without a path or a slash at the end, or *"
            )
    return origins


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Return True if the request is a CORS preflight, with which a browser asks whether
    a page may make a request."""
    return method == "OPTIONS" and "access-control-request-method" in headers
