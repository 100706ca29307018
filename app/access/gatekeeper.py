"""Decide who is admitted.

With keys: callers with a key or a signed URL, and everybody for the files of the page
and a few harmless paths. Without keys: everybody except pages of other sites.

Without keys, any page that a person on this machine visits could call this server. A
page of another origin is recognised by its `Origin` header when it tries to change
something, and browsers prevent it from reading. A page whose own name resolves to this
machine (DNS rebinding) has the same origin, and is recognised by that name.
"""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network
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
from app.access.origins import ANY, address_prefixes, is_preflight
from app.errors import (
    ForeignHostError,
    ForeignOriginError,
    TooManyRequestsError,
    WrongKeyError,
)
from app.quotas import Quota

_OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/info", "/docs", "/openapi.json"})
_OPEN_PREFIXES = ("/playground/", "/docs/", "/portable/", "/clients/")
"""Paths below these need no key: the files of the pages, and models for browsers if the
operator offers them to everybody."""
_UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_PROXY_HEADERS = ("x-forwarded-for", "forwarded", "via")
"""Headers that a proxy adds. A request with one of them comes from another machine,
even if its address is this one."""

_PROBES = frozenset({"/healthz", "/readyz"})
_PORT = re.compile(r":[0-9]*$")
_LOCAL_HOST = re.compile(r"[a-z0-9_-]+|[0-9.]+|\[[0-9a-f:.]+\]")
"""Hosts that cannot belong to another site: names without a dot, and IP addresses."""

_SIGNABLE = re.compile(r"/jobs/([A-Za-z0-9_-]{1,64})/(?:image|events)")
"""Paths of a job's picture and events, which alone can be signed."""
_READING = ("GET", "HEAD")
_EXPIRES = b"expires="
_SIGNATURE = b"signature="


class Gatekeeper:
    """Decides for each request whether it is admitted, and who its caller is. There is
    one in each API process; it counts the wrong keys of each address."""

    def __init__(
        self,
        keys: Keyring,
        links: LinkSignatures,
        *,
        hosts: Iterable[str],
        origins: Iterable[str],
        metrics_open: bool,
        address_models: Iterable[str] = (),
    ) -> None:
        """keys: the keys that callers need; if it is false, callers need none.
        links: checks signatures of URLs.
        hosts: names of this server, which count only without keys.
        origins: other sites whose pages may change something, `*` for all; they count
            only without keys.
        metrics_open: True if /metrics needs no key, unless a proxy has forwarded the
            request.
        address_models: names of models whose pictures by address need no key.
        """
        self._open_prefixes = (*_OPEN_PREFIXES, *address_prefixes(address_models))
        self._links = links
        self._keys = keys
        self._origins = frozenset(origins)
        self._hosts = frozenset(host.lower() for host in hosts)
        self._metrics_open = metrics_open
        self._failures = RecentFailures(time.monotonic)

    def admit(self, scope: Scope) -> Caller:
        """Return the caller of a request.

        scope: ASGI scope of an HTTP request. A signature in its URL is checked, and
            `expires` and `signature` are removed from its `query_string`. A wrong key
            is counted for the caller's address.

        Raises these errors of app.errors:

        - WrongKeyError: a key is needed, and it is missing or wrong.
        - TooManyRequestsError: a key is needed and wrong, and this address has sent
          MOST_FAILURES wrong ones within the last FAILURES_WITHIN_S seconds. A right
          key is admitted even then.
        - BadLinkError: the signature in the URL is not valid or has expired.
        - ForeignOriginError, ForeignHostError: the server has no keys, and a page of
          another site may be calling.
        """
        headers = Headers(scope=scope)
        account = account_of(scope["client"][0] if scope.get("client") else "local")
        if not self._keys:
            # A probe may call the server by any name; it changes nothing.
            if scope["path"] not in _PROBES:
                self._expect_own_host(headers.get("host", ""))
            self._expect_own_page(scope["method"], headers)
        request = _take_signature(scope)
        if request is not None:
            self._links.check(request.job_id, request.expires, request.signature)
            # The owner does not matter: the URL can only read this one job.
            return Caller(ANYONE, account)
        if not self._keys:
            is_direct = _is_of_this_machine(account) and not _is_forwarded(headers)
            return Caller(ANYONE, account, is_operator=is_direct)
        # A path that needs no key does not check one either, so that a page with an old
        # key can still load.
        if self._is_open(scope, headers):
            return Caller("-", account)  # no key has this name
        return self._holder(headers, account)

    def _is_open(self, scope: Scope, headers: Headers) -> bool:
        """Return True if the request needs no key."""
        path = scope["path"]
        if path == "/metrics":
            return self._metrics_open and not _is_forwarded(headers)
        if path in _OPEN_PATHS or path.startswith(self._open_prefixes):
            return True
        return is_preflight(scope["method"], headers)

    def _holder(self, headers: Headers, account: str) -> Caller:
        """Return the holder of the request's key. Raise WrongKeyError or
        TooManyRequestsError."""
        key = headers.get("x-api-key") or _bearer(headers.get("authorization", ""))
        if not key:
            raise WrongKeyError(
                "expected a key: Authorization: Bearer KEY, or X-API-Key: KEY"
            )
        # Before the check for wrong keys: behind a proxy all callers have one address,
        # and the wrong keys of others must not keep out the holder of a right one.
        entry = self._keys.holder(key)
        if entry is not None:
            return Caller(
                entry.name,
                entry.name,
                entry.rate,
                entry.jobs,
                entry.role == "operator",
                "train" in entry.may,
            )
        wait_s = self._failures.wait_s(account)
        if wait_s:
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
        """Raise ForeignHostError if the Host header is not a name of this server."""
        name = _PORT.sub("", host).lower().removesuffix(".")
        # A request without the header is allowed, because browsers always send it.
        if name and name not in self._hosts and not _LOCAL_HOST.fullmatch(name):
            raise ForeignHostError(
                "without keys this server answers to addresses, names without a dot, "
                "and the names in PIXELRNN_HOSTS"
            )

    def _expect_own_page(self, method: str, headers: Headers) -> None:
        """Raise ForeignOriginError if a page of another site tries to change something.
        The host is already known to be this server's, so a page with the same host
        belongs to it."""
        origin = headers.get("origin")
        if origin is None or method not in _UNSAFE_METHODS:
            return
        if origin in self._origins or ANY in self._origins:
            return
        if _host_of(origin) != headers.get("host", ""):
            raise ForeignOriginError(
                "pages of other sites may not do this; PIXELRNN_ORIGINS lists those "
                "that may"
            )


def _is_forwarded(headers: Headers) -> bool:
    """Return True if a proxy has forwarded the request."""
    return any(name in headers for name in _PROXY_HEADERS)


def _is_of_this_machine(account: str) -> bool:
    """Return True for the account of a loopback address or of a Unix socket."""
    try:
        return ip_network(account.removeprefix("ip:")).is_loopback
    except ValueError:
        return True


def _host_of(origin: str) -> str | None:
    """Return the host and port of an origin; None if it is malformed."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _bearer(authorization: str) -> str:
    """Return the key in an Authorization header; empty if it has none."""
    scheme, _, key = authorization.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True)
class _SignedRequest:
    """What a signed URL claims, before `LinkSignatures.check` has verified it.

    job_id: from the path.
    expires, signature: as they are in the query; empty if the field is missing or
        occurs more than once.
    """

    job_id: str
    expires: str
    signature: str


def _take_signature(scope: Scope) -> _SignedRequest | None:
    """Return what a signed URL claims, and remove `expires` and `signature` from the
    `query_string` of `scope`, so that later code cannot leak them.

    Nothing is verified here. Return None, and leave the scope as it is, if the query
    has neither field, or if the path or the method cannot be signed: only GET and HEAD
    of a job's image and events can.

    scope: ASGI scope of an HTTP request.
    """
    path = _SIGNABLE.fullmatch(scope["path"])
    if path is None or scope["method"] not in _READING:
        return None
    fields = scope["query_string"].split(b"&")
    signing = [field for field in fields if field.startswith((_EXPIRES, _SIGNATURE))]
    if not signing:
        return None
    scope["query_string"] = b"&".join(field for field in fields if field not in signing)
    return _SignedRequest(path[1], _only(signing, _EXPIRES), _only(signing, _SIGNATURE))


def _only(fields: list[bytes], name: bytes) -> str:
    """Return the value of a field; empty unless it occurs exactly once."""
    values = [field.removeprefix(name) for field in fields if field.startswith(name)]
    return values[0].decode("latin-1") if len(values) == 1 else ""
