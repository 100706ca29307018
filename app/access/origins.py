"""Origins of web pages, and how a browser asks for one of them."""

import re
from collections.abc import Mapping

ANY = "*"
"""Stands for every origin."""
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\sA-Z]+")


def checked_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    """The same origins. Raises ValueError for one that no browser would send."""
    for origin in origins:
        if origin != ANY and not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f"{origin!r} is no origin, as browsers send it: expected https://pixels.example or "
                "http://localhost:5173, in lower case, without a path or a slash at the end, or *"
            )
    return origins


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Does a browser ask whether a page may ask?"""
    return method == "OPTIONS" and "access-control-request-method" in headers
