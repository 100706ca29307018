"""The caller of a request: the holder of an API key, or an address if there are no
keys."""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from worker.contract.added import ANYONE as ANYONE

_NEIGHBOURS = 64
"""Bits that the IPv6 addresses of one customer have in common."""


@dataclass(frozen=True)
class Caller:
    """The caller of an admitted request, as `Gatekeeper.admit` returns it."""

    owner: str
    """Owner of its jobs: the key's name; `anyone` if there are no keys or the URL is
    signed; `nobody` on a path that needs no key, whether or not the request has one."""
    account: str
    """Account whose share of turns, space and quotas the request uses: the key's name,
    or `account_of` the address on a path that needs no key, with a signed URL, or if
    there are no keys."""
    rate: float | None = None
    """Jobs per second that it may submit; None if the server's limit applies."""
    jobs: int | None = None
    """Open jobs that it may have; None if the server's limit applies."""
    may_train: bool = False
    """True if it may add models and delete its own ones, which is the right `train` of
    its key."""


def account_of(address: str) -> str:
    """Return the account of a caller without a key: `ip:` and its address.

    For IPv6 it is `ip:` and the network of 64 bits, within which one customer can
    choose any address; an IPv6 address that stands for an IPv4 address counts as the
    latter. For a text that is no address, such as the path of a Unix socket, it is
    `ip:` and that text.
    """
    try:
        found = ip_address(address)
    except ValueError:  # a Unix socket has none
        return f"ip:{address}"
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or ip_network((int(found), _NEIGHBOURS), strict=False)
    return f"ip:{found}"
