"""The call of a webhook: over TLS, to exactly the address that was checked, once, and
within a time limit."""

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from ipaddress import ip_address

import httpx

from app.webhooks.addresses import Address, Place, WebhookAddress
from app.webhooks.signatures import signature_headers

LIMIT_S = 10.0
"""Seconds from the name's resolution to the status of the response."""
_MOST_ADDRESSES = 4
"""Addresses of a host that are tried, at most."""
_HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": f"pixelrnn/{version('pixelrnn')}",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""resolve(host, port) returns the host's addresses."""


class WebhookCallError(Exception):
    """There was no response. The message gives the reason, for the log; a TLS error in
    it may name the host."""


async def resolve_host(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host, by the system's resolver. Raise OSError if it
    has none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(socket_address[0]) for *_, socket_address in found]


class WebhookCalls:
    """Calls over TLS, with the certificate authorities that OpenSSL trusts;
    SSL_CERT_FILE names another list of them.

    Each call makes a connection and closes it, because a connection for one host must
    not be used for another host at the same address. Proxies from the environment are
    not used, because they would resolve names themselves.
    """

    def __init__(self, key: bytes, resolve: Resolve = resolve_host) -> None:
        """key: signs the calls."""
        self._key = key
        self._resolve = resolve
        self._http = httpx.AsyncClient(
            verify=ssl.create_default_context(),
            trust_env=False,
            follow_redirects=False,
            timeout=None,  # `post` limits the time of the whole call
            limits=httpx.Limits(max_keepalive_connections=0),
            headers=_HEADERS,
        )

    async def post(self, address: WebhookAddress, message_id: str, body: bytes) -> int:
        """Send a body to an address, and return the status of the response; the rest of
        the response is not read. Raise WebhookCallError if there is none."""
        try:
            async with asyncio.timeout(LIMIT_S):
                return await self._post(address, message_id, body)
        except TimeoutError:
            raise WebhookCallError(f"no answer within {LIMIT_S:g} s") from None
        except (OSError, httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise WebhookCallError(
                f"{type(error).__name__}: {str(error)[:200]}"
            ) from error

    async def close(self) -> None:
        """Close the HTTP client."""
        await self._http.aclose()

    async def _post(self, address: WebhookAddress, message_id: str, body: bytes) -> int:
        """Try the host's addresses one after the other until one can be reached."""
        *others, last = await self._addresses(address.place)
        for ip in others:
            try:
                return await self._post_to(ip, address, message_id, body)
            except httpx.ConnectError:  # such as an IPv6 address without a route
                continue
        return await self._post_to(last, address, message_id, body)

    async def _addresses(self, place: Place) -> list[Address]:
        """Return the first addresses of a host. Raise WebhookCallError unless all its
        addresses may be called."""
        texts = await self._resolve(place.host, place.port)
        found = [ip_address(text) for text in dict.fromkeys(texts)]
        if not found or not all(map(place.may_lead_to, found)):
            raise WebhookCallError("the host is at an address that is not public")
        return found[:_MOST_ADDRESSES]

    async def _post_to(
        self, ip: Address, address: WebhookAddress, message_id: str, body: bytes
    ) -> int:
        # The URL has the checked address, so that the name is not resolved again. The
        # name is used for the Host header and for TLS.
        host = f"[{ip}]" if ip.version == 6 else str(ip)
        url = f"https://{host}:{address.place.port}{address.target}"
        headers = {
            "Host": str(address.place),
            **signature_headers(self._key, message_id, int(time.time()), body),
        }
        extensions = {"sni_hostname": address.place.host}
        async with self._http.stream(
            "POST", url, content=body, headers=headers, extensions=extensions
        ) as response:
            return response.status_code
