"""The caller of a request: the holder of an API key, or an address if there are no
keys."""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from worker.contract.added import ANYONE as ANYONE

_NEIGHBOURS = 64
"""Bits that the IPv6 addresses of one customer have in common."""


@dataclass(frozen=True)
class Caller:
    """An admitted caller."""

    owner: str
    """The owner of its jobs: the key's name, or `anyone`."""
    account: str
    """The account whose share of turns, space and allowances is used: the key's name,
    or `account_of` the address."""
    rate: float | None = None
    """Jobs per second that it may submit, if its key has a limit; else None."""
    jobs: int | None = None
    """Open jobs that it may have, if its key has a limit; else None."""
    may_train: bool = False
    """True if it may add models and delete its own: its key has the right `train`."""


def account_of(address: str) -> str:
    """Return the account of a caller without a key: its address, or for IPv6 the
    network of 64 bits within which one customer can choose any address."""
    try:
        found = ip_address(address)
    except ValueError:  # a Unix socket has none
        return f"ip:{address}"
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or ip_network((int(found), _NEIGHBOURS), strict=False)
    return f"ip:{found}"
