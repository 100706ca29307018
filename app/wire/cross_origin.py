"""CORS: what a browser is told when a page of another origin calls us, so that the page may read the answer."""

from collections.abc import Iterable

from fastapi import Response
from starlette.datastructures import Headers

from app.access.origins import ANY
from app.errors import ForeignOriginError
from app.wire.error_handlers import response_to

EXPOSED = (
    "Content-Disposition",
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Server-Timing",
    "X-Job-Id",
    "X-Request-Id",
    "X-Seed",
)
"""Our headers that a page could not see otherwise."""
_METHODS = "GET, HEAD, POST, PUT, DELETE"
_MAX_AGE_S = 600


class CrossOrigin:
    """origins: whose pages may call; `*` = all. Where there are none, nothing is said of origins at all."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origins)

    def __bool__(self) -> bool:
        return bool(self._origins)

    def headers(self, origin: str | None) -> dict[str, str]:
        """Headers of every answer, so that caches keep answers to different origins apart, also those to requests that
        named none."""
        if not self._origins:
            return {}
        if origin is None or not self._allows(origin):
            return {"Vary": "Origin"}
        return {
            "Vary": "Origin",
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": ", ".join(EXPOSED),
        }

    def preflight(self, asked: Headers) -> Response:
        """The answer to a browser's question, beside the headers of every answer."""
        if not self._allows(asked.get("origin")):
            return response_to(
                ForeignOriginError("PIXELRNN_ORIGINS lists the pages that may call"),
                path="",
            )
        headers = {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Max-Age": str(_MAX_AGE_S),
        }
        if wanted := asked.get("access-control-request-headers"):
            headers["Access-Control-Allow-Headers"] = wanted
        return Response(status_code=204, headers=headers)

    def _allows(self, origin: str | None) -> bool:
        return origin is not None and (origin in self._origins or ANY in self._origins)
