"""Addresses that a webhook may call: hosts that the operator names, but not private
addresses behind them.

An operator who names `hooks.example` means the host that the internet knows by this
name. The owner of the name can make it resolve to this machine or its neighbours. Such
addresses are refused, unless the operator named the address itself.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Self

MAX_LENGTH = 2048
"""Characters of a webhook's URL, at most."""
LOCALHOST = "localhost"
_HTTPS_PORT = 443
_ADDRESS = re.compile(
    r"https://(?P<host>[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<target>(?:[/?][a-z0-9._~!$&'()*+,;=:@%/?-]*)?)",
    re.ASCII | re.IGNORECASE,
)
_UNICAST = IPv6Network("2000::/3")
"""All IPv6 addresses that are assigned on the internet."""
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv4 addresses in the form that a NAT64 gateway translates."""

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Place:
    """A host and its port. The host is in lower case; an IPv6 address has no
    brackets."""

    host: str
    port: int

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the place that a text names: `hooks.example`, `hooks.example:8443` or
        `[::1]:8443`. Default port: 443. Raise ValueError for anything else."""
        match = _ADDRESS.fullmatch(f"https://{text}")
        if match is None or match["target"]:
            raise ValueError(
                "expected hosts such as hooks.example or hooks.example:8443, without "
                "scheme and path"
            )
        return cls._of(match)

    @classmethod
    def _of(cls, match: re.Match[str]) -> Self:
        host = match["host"].lower().strip("[]")
        port = int(match["port"] or _HTTPS_PORT)
        if port > 65535 or (":" in host and _literal(host) is None):
            raise ValueError("expected a host, and a port of 1 to 65535")
        return cls(host, port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _HTTPS_PORT else f"{host}:{self.port}"

    def may_lead_to(self, address: Address) -> bool:
        """Return True if a connection to this host may go to the address: a loopback
        one for localhost, any for a host that is itself an address, otherwise only a
        public one."""
        if self.host == LOCALHOST:
            return address.is_loopback
        return _literal(self.host) is not None or _is_public(address)


@dataclass(frozen=True)
class WebhookAddress:
    """An https URL in parts, so that no two programs can parse it differently."""

    place: Place
    target: str
    """Path and query."""

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the address that a URL names. Raise ValueError for anything but an
        https URL, and for one with a user, a fragment, non-ASCII characters or more
        than MAX_LENGTH characters."""
        match = _ADDRESS.fullmatch(text)
        if match is None or len(text) > MAX_LENGTH:
            raise ValueError(
                "expected an https address such as https://hooks.example/done, of "
                f"{MAX_LENGTH} characters at most"
            )
        target = match["target"]
        return cls(Place._of(match), target if target.startswith("/") else f"/{target}")


def _literal(host: str) -> Address | None:
    """Return the address if the host is one, otherwise None."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_public(address: Address) -> bool:
    """Return True if the address belongs to somebody on the internet. An IPv6 address
    that stands for an IPv4 address is judged by the latter."""
    if isinstance(address, IPv6Address):
        inner = (
            address.ipv4_mapped
            or address.sixtofour
            or (address.teredo and address.teredo[1])
        )
        if address in _TRANSLATED:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner:
            return _is_public(inner)
        if address not in _UNICAST:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved
