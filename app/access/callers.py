"""Who calls, and who counts as one: the holder of an API key, or an address where there are no keys."""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from worker.contract.added import ANYONE as ANYONE

_NEIGHBOURS = 64
"""Bits that addresses of IPv6 share where one person has them all."""


@dataclass(frozen=True)
class Caller:
    """Somebody who was let in."""

    owner: str
    """The owner of its jobs: the key's name, or `anyone`."""
    account: str
    """The one whose share is used, of turns, of room and of allowances: the key's name, or `account_of` its address."""
    rate: float | None = None
    """Jobs a second that it may hand in, where its key says so."""
    jobs: int | None = None
    """Jobs that it may have open, where its key says so."""
    may_train: bool = False
    """It may add models and take its own away: its key has the right `train`."""


def account_of(address: str) -> str:
    """The account of whoever has no key: its address, of IPv6 the network of 64 bits in which it can have any."""
    try:
        found = ip_address(address)
    except ValueError:  # a Unix socket has none
        return f"ip:{address}"
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or ip_network((int(found), _NEIGHBOURS), strict=False)
    return f"ip:{found}"
