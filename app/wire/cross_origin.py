"""CORS: headers that allow pages of other origins to read the responses."""

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
"""Headers of this service that a page of another origin could not read otherwise."""
FOR_ALL_ORIGINS = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
"""Headers of pictures by address, which pages of every origin may show and read."""
_METHODS = "GET, HEAD, POST, PUT, DELETE"
_MAX_AGE_S = 600
"""Seconds for which a browser may remember the response to a preflight."""


class CrossOrigin:
    """Makes the CORS headers and the preflight responses for pages of other origins.

    origins: those whose pages may call; `*` for all. Without origins there are no CORS
        headers at all, and the object is false.
    """

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origins)

    def __bool__(self) -> bool:
        return bool(self._origins)

    def headers(self, origin: str | None) -> dict[str, str]:
        """Return the CORS headers of a response. Every response has `Vary: Origin`,
        even if the request had no Origin, so that caches keep the responses to
        different origins apart.

        origin: the request's Origin header.
        """
        if not self._origins:
            return {}
        if origin is None or not self._allows(origin):
            return {"Vary": "Origin"}
        return {
            "Vary": "Origin",
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": ", ".join(EXPOSED),
        }

    def preflight(self, request_headers: Headers) -> Response:
        """Return the response to a preflight, without the headers of `headers`: 204, or
        a refusal if the origin may not call."""
        if not self._allows(request_headers.get("origin")):
            return response_to(
                ForeignOriginError("PIXELRNN_ORIGINS lists the pages that may call"),
                path="",
            )
        headers = {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Max-Age": str(_MAX_AGE_S),
        }
        wanted = request_headers.get("access-control-request-headers")
        if wanted:
            headers["Access-Control-Allow-Headers"] = wanted
        return Response(status_code=204, headers=headers)

    def _allows(self, origin: str | None) -> bool:
        return origin is not None and (origin in self._origins or ANY in self._origins)
