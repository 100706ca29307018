"""The call itself: to the very address that was looked at, over TLS, once, and not for long."""

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from ipaddress import ip_address

import httpx

from app.webhooks.addresses import Address, Place, WebhookAddress
from app.webhooks.signatures import signed

LIMIT_S = 10.0
"""Seconds from the look-up of the name to the status of the answer."""
_MOST_ADDRESSES = 4
_HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": f"pixelrnn/{version('pixelrnn')}",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class WebhookCallError(Exception):
    """It did not come to an answer; says why, without the address."""


async def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    )
    return [str(place[0]) for *_, place in found]


class WebhookCalls:
    """Calls over TLS, with the authorities that OpenSSL trusts: SSL_CERT_FILE names another list of them.

    A connection is made for each call and closed after it: one that was made for a host is not used for another at the
    same address. Nothing is asked of the environment, such as a proxy, which would look up names by itself.
    """

    def __init__(self, key: bytes, resolve: Resolve = resolved) -> None:
        self._key = key
        self._resolve = resolve
        self._http = httpx.AsyncClient(
            verify=ssl.create_default_context(),
            trust_env=False,
            follow_redirects=False,
            timeout=None,  # there is one for all of it
            limits=httpx.Limits(max_keepalive_connections=0),
            headers=_HEADERS,
        )

    async def post(self, address: WebhookAddress, message_id: str, body: bytes) -> int:
        """The status of the answer; nothing else of it is read. Raises WebhookCallError."""
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
        await self._http.aclose()

    async def _post(self, address: WebhookAddress, message_id: str, body: bytes) -> int:
        *others, last = await self._places(address.place)
        for place in others:
            try:
                return await self._post_to(place, address, message_id, body)
            except httpx.ConnectError:  # such as by IPv6, where there is no way
                continue
        return await self._post_to(last, address, message_id, body)

    async def _places(self, place: Place) -> list[Address]:
        """The host's addresses; each of them must be one that may be called."""
        found = [
            ip_address(text)
            for text in dict.fromkeys(await self._resolve(place.host, place.port))
        ]
        if not found or not all(map(place.may_lead_to, found)):
            raise WebhookCallError("the host is at an address that is not public")
        return found[:_MOST_ADDRESSES]

    async def _post_to(
        self, place: Address, address: WebhookAddress, message_id: str, body: bytes
    ) -> int:
        host = f"[{place}]" if place.version == 6 else str(place)
        url = f"https://{host}:{address.place.port}{address.target}"
        headers = {
            "Host": str(address.place),
            **signed(self._key, message_id, int(time.time()), body),
        }
        named = {"sni_hostname": address.place.host}
        async with self._http.stream(
            "POST", url, content=body, headers=headers, extensions=named
        ) as answer:
            return answer.status_code
