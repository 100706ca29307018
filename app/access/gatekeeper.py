"""Who is let in: by API key, by signed address, or, where there are no keys, everybody but the pages of other sites.

Without keys, any page that a person on this machine visits could call us. One of another origin is told by its `Origin`
when it would change something, and browsers keep it from reading. One that lets its own name lead to this machine (DNS
rebinding) is of our origin then, and is told by that name.
"""

import re
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from app.access.api_keys import (
    FAILURES_WITHIN_S,
    MOST_FAILURES,
    Keyring,
    RecentFailures,
)
from app.access.callers import ANYONE, Caller, account_of
from app.access.link_signatures import LinkSignatures
from app.access.origins import is_preflight
from app.access.signed_requests import take_signature
from app.errors import (
    ForeignHostError,
    ForeignOriginError,
    TooManyRequestsError,
    WrongKeyError,
)
from app.quotas import Quota

_OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/info", "/docs", "/openapi.json"})
_OPEN_PREFIXES = ("/playground/", "/docs/", "/portable/")
"""Files: those of the pages, and models for browsers, which are there where the operator lets everybody have them."""
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_OF_A_PROXY = ("x-forwarded-for", "forwarded", "via")
"""Headers that a proxy adds: what it passes on comes from elsewhere, whatever its address."""

_PROBES = frozenset({"/healthz", "/readyz"})
_PORT = re.compile(r":[0-9]*$")
_OURS = re.compile(r"[a-z0-9_-]+|[0-9.]+|\[[0-9a-f:.]+\]")
"""Hosts that no other site can have: names without a dot, and addresses."""


class Gatekeeper:
    """Decides who is let in."""

    def __init__(
        self,
        keys: Keyring,
        links: LinkSignatures,
        *,
        hosts: Iterable[str],
        origins: Iterable[str],
        metrics_open: bool,
    ) -> None:
        """hosts: names under which this server is called. origins: other sites whose pages may change something."""
        self._links = links
        self._keys = keys
        self._origins = frozenset(origins)
        self._hosts = frozenset(host.lower() for host in hosts)
        self._metrics_open = metrics_open
        self._failures = RecentFailures(time.monotonic)

    def admit(self, scope: Scope) -> Caller:
        """The caller. A signature is taken off the address. Raises WrongKeyError, TooManyRequestsError after many wrong
        keys, ForeignOriginError, ForeignHostError, BadLinkError."""
        headers = Headers(scope=scope)
        account = account_of(scope["client"][0] if scope.get("client") else "local")
        if not self._keys:
            if scope["path"] not in _PROBES:
                self._expect_own_host(headers.get("host", ""))
            self._expect_own_page(scope["method"], headers)
        if (signed := take_signature(scope)) is not None:
            self._links.check(signed.job_id, signed.expires, signed.signature)
            return Caller(
                ANYONE, account
            )  # whosever the job is: the address leads to nothing else
        if not self._keys:
            return Caller(ANYONE, account)
        if self._is_open(scope, headers):
            return Caller("nobody", account)
        return self._holder(headers, account)

    def _is_open(self, scope: Scope, headers: Headers) -> bool:
        path = scope["path"]
        if path == "/metrics":
            return self._metrics_open and not any(
                name in headers for name in _OF_A_PROXY
            )
        if path in _OPEN_PATHS or path.startswith(_OPEN_PREFIXES):
            return True
        return is_preflight(scope["method"], headers)

    def _holder(self, headers: Headers, account: str) -> Caller:
        key = headers.get("x-api-key") or _bearer(headers.get("authorization", ""))
        if not key:
            raise WrongKeyError(
                "expected a key: Authorization: Bearer KEY, or X-API-Key: KEY"
            )
        if (entry := self._keys.holder(key)) is not None:
            # whatever others sent: behind a proxy all come from one address
            return Caller(
                entry.name, entry.name, entry.rate, entry.jobs, "train" in entry.may
            )
        if wait_s := self._failures.wait_s(account):
            quota = Quota(
                "wrong-keys", MOST_FAILURES, 0, int(FAILURES_WITHIN_S), int(wait_s) + 1
            )
            raise TooManyRequestsError(
                "too many wrong keys from this address",
                retry_after_s=int(wait_s) + 1,
                quotas=(quota,),
            )
        self._failures.note(account)
        raise WrongKeyError("this key is not one of ours, or no longer")

    def _expect_own_host(self, host: str) -> None:
        """A client that names none is no browser."""
        name = _PORT.sub("", host).lower().removesuffix(".")
        if name and name not in self._hosts and not _OURS.fullmatch(name):
            raise ForeignHostError(
                "without keys this server answers to addresses, names without a dot, and the names in PIXELRNN_HOSTS"
            )

    def _expect_own_page(self, method: str, headers: Headers) -> None:
        """The host is one of ours: a page of the same one is, too."""
        origin = headers.get("origin")
        if origin is None or method not in _CHANGING or origin in self._origins:
            return
        if _host_of(origin) != headers.get("host", ""):
            raise ForeignOriginError(
                "pages of other sites may not do this; PIXELRNN_ORIGINS lists those that may"
            )


def _host_of(origin: str) -> str | None:
    """The host and port that an origin names; None for one that no browser would send."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _bearer(authorization: str) -> str:
    scheme, _, key = authorization.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
