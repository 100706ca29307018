"""Around every request: its id, who sends it, and what is noted about it when it is over.

It stands outside the application, so that nobody who is not let in gets a byte of a body read.
"""

import re
import secrets
import time
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.clients import ANYONE, Client, Failures, Keyring
from app.errors import ApiError, ForeignOriginError, TooManyRequestsError, WrongKeyError, response_to
from app.metrics import Metrics
from app.settings import Settings

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/info", "/docs", "/openapi.json"})
_OPEN_PREFIX = "/playground/"
_UNNOTED = frozenset({"/healthz", "/readyz", "/metrics"})
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_LOCAL_HOST = re.compile(r"localhost|[0-9.]+|\[?[0-9a-fA-F:.]+\]?")
_log = structlog.get_logger("pixelrnn.api")


class Gatekeeper:
    """Who is let in. Raises ApiError."""

    def __init__(self, settings: Settings) -> None:
        self._keys = Keyring(settings.api_keys)
        self._origins = frozenset(settings.origins)
        self._metrics_open = settings.metrics_open
        self._failures = Failures(time.monotonic)

    def admit(self, scope: Scope) -> Client:
        """Raises WrongKeyError, TooManyRequestsError for a wrong key after many, ForeignOriginError."""
        headers = Headers(scope=scope)
        address = scope["client"][0] if scope.get("client") else "local"
        if not self._keys:
            self._expect_own_page(scope["method"], headers)
            return Client(ANYONE, f"ip:{address}")
        if self._is_open(scope):
            return Client("nobody", f"ip:{address}")
        return self._holder(headers, address)

    def _is_open(self, scope: Scope) -> bool:
        path = scope["path"]
        if path == "/metrics":
            return self._metrics_open
        return path in _OPEN_PATHS or path.startswith(_OPEN_PREFIX) or _is_preflight(scope)

    def _holder(self, headers: Headers, address: str) -> Client:
        key = headers.get("x-api-key") or _bearer(headers.get("authorization", ""))
        if not key:
            raise _wrong_key("expected a key: Authorization: Bearer KEY, or X-API-Key: KEY")
        if (name := self._keys.holder(key)) is not None:
            return Client(name, name)  # whatever others sent: behind a proxy all come from one address
        if wait_s := self._failures.wait_s(address):
            raise TooManyRequestsError("too many wrong keys from this address", retry_after_s=int(wait_s) + 1)
        self._failures.note(address)
        raise _wrong_key("this key is not one of ours")

    def _expect_own_page(self, method: str, headers: Headers) -> None:
        """Without keys, any page that a person on this machine visits could call: only our own may change things."""
        origin = headers.get("origin")
        if origin is None or method not in _CHANGING or origin in self._origins:
            return
        page, host = urlsplit(origin), headers.get("host", "")
        if page.netloc != host or not _LOCAL_HOST.fullmatch(page.hostname or ""):
            raise ForeignOriginError("pages of other sites may not do this; PIXELRNN_ORIGINS lists those that may")


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and "access-control-request-method" in Headers(scope=scope)


def _bearer(authorization: str) -> str:
    scheme, _, key = authorization.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _wrong_key(detail: str) -> WrongKeyError:
    error = WrongKeyError(detail)
    error.headers = {"WWW-Authenticate": "Bearer"}
    return error


class Edge:
    """ASGI middleware. Leaves `client` and `request_id` in the request's state."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._gatekeeper = Gatekeeper(settings)
        self._metrics = metrics
        self._noted = settings.access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = _Visit(scope, send, self._metrics)
        structlog.contextvars.bind_contextvars(request_id=visit.request_id)
        try:
            scope["state"]["client"] = self._gatekeeper.admit(scope)
        except ApiError as error:
            self._metrics.rejected(error.slug)
            await response_to(error)(scope, receive, visit.send)
        else:
            await self._app(scope, receive, visit.send)
        finally:
            self._note(scope, visit)

    def _note(self, scope: Scope, visit: "_Visit") -> None:
        route = getattr(scope.get("route"), "path", "other")
        seconds = time.perf_counter() - visit.begun
        self._metrics.answered(scope["method"], route, visit.status, None if visit.is_stream else seconds)
        if self._noted and route not in _UNNOTED:
            _log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=visit.status,
                ms=round(seconds * 1000, 1),
                client=getattr(scope["state"].get("client"), "account", None),
            )


class _Visit:
    """One request on its way through."""

    def __init__(self, scope: Scope, send: Send, metrics: Metrics) -> None:
        given = Headers(scope=scope).get("x-request-id", "")
        self.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        self.status = 500
        self.is_stream = False
        self.begun = time.perf_counter()
        self._send = send
        self._metrics = metrics
        scope.setdefault("state", {})["request_id"] = self.request_id

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self.request_id
            self.is_stream = "content-length" not in headers and self.status == 200
        elif self.is_stream:
            self._metrics.streamed(len(message.get("body", b"")))
        await self._send(message)
