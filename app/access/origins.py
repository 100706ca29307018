"""Origins of web pages, preflight requests of browsers, and the paths that pages of all
origins may show."""

import re
from collections.abc import Iterable, Mapping

ANY = "*"
"""Entry that stands for every origin."""
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\sA-Z]+")


def check_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    """Return `origins` unchanged. Raise ValueError unless each is `*` or looks like an
    origin, which has a scheme in lower case, `://` and a host, but no path, query,
    fragment or space."""
    for origin in origins:
        if origin != ANY and not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f"{origin!r} is no origin, as browsers send it: expected "
                "https://pixels.example or http://localhost:5173, in lower case, "
                "without a path or a slash at the end, or *"
            )
    return origins


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Return True if the request is a CORS preflight, by which a browser asks whether a
    page may make another request.

    headers: by lower-case name, or a mapping that ignores case.
    """
    return method == "OPTIONS" and "access-control-request-method" in headers


def address_prefixes(models: Iterable[str]) -> tuple[str, ...]:
    """Return the beginnings of the paths of these models' pictures by address."""
    return tuple(f"/p/{model}{end}" for model in models for end in "@/")
