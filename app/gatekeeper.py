"""Who is let in: by API key, or, where there are no keys, everybody but the pages of other sites."""

import re
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from app.api_keys import Keyring, RecentFailures
from app.callers import ANYONE, Caller
from app.errors import ForeignOriginError, TooManyRequestsError, WrongKeyError
from app.settings import Settings

_OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/info", "/docs", "/openapi.json"})
_OPEN_PREFIX = "/playground/"
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_LOCAL_HOST = re.compile(r"localhost|[0-9.]+|\[?[0-9a-fA-F:.]+\]?")


class Gatekeeper:
    """Decides who is let in."""

    def __init__(self, settings: Settings) -> None:
        self._keys = Keyring(settings.api_keys)
        self._origins = frozenset(settings.origins)
        self._metrics_open = settings.metrics_open
        self._failures = RecentFailures(time.monotonic)

    def admit(self, scope: Scope) -> Caller:
        """The caller. Raises WrongKeyError, TooManyRequestsError after many wrong keys, ForeignOriginError."""
        headers = Headers(scope=scope)
        address = scope["client"][0] if scope.get("client") else "local"
        if not self._keys:
            self._expect_own_page(scope["method"], headers)
            return Caller(ANYONE, f"ip:{address}")
        if self._is_open(scope):
            return Caller("nobody", f"ip:{address}")
        return self._holder(headers, address)

    def _is_open(self, scope: Scope) -> bool:
        path = scope["path"]
        if path == "/metrics":
            return self._metrics_open
        return path in _OPEN_PATHS or path.startswith(_OPEN_PREFIX) or _is_preflight(scope)

    def _holder(self, headers: Headers, address: str) -> Caller:
        key = headers.get("x-api-key") or _bearer(headers.get("authorization", ""))
        if not key:
            raise WrongKeyError("expected a key: Authorization: Bearer KEY, or X-API-Key: KEY")
        if (name := self._keys.holder(key)) is not None:
            return Caller(name, name)  # whatever others sent: behind a proxy all come from one address
        if wait_s := self._failures.wait_s(address):
            raise TooManyRequestsError("too many wrong keys from this address", retry_after_s=int(wait_s) + 1)
        self._failures.note(address)
        raise WrongKeyError("this key is not one of ours")

    def _expect_own_page(self, method: str, headers: Headers) -> None:
        """Without keys, any page that a person on this machine visits could call us: only our own may change things."""
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
