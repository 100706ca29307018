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
    """Owner of the jobs that it submits: the key's name; `anyone` without keys or with
    a signed URL; `nobody` on a path that needs no key."""
    account: str
    """Account that is charged for the request: the key's name, or else `account_of` the
    address."""
    rate: float | None = None
    """Jobs per second that it may submit; None if the server's limit applies."""
    jobs: int | None = None
    """Open jobs that it may have; None if the server's limit applies."""
    is_operator: bool = False
    """True if its key has the role `operator`; without keys, if the request comes from
    this machine and no proxy has forwarded it."""
    may_train: bool = False
    """True if its key has the right `train`: it may add models and delete its own."""


def account_of(address: str) -> str:
    """Return the account of a caller without a key: `ip:` and its address.

    An IPv6 address counts as its network of 64 bits, within which one customer can
    choose any address, or as the IPv4 address that it stands for. Other texts, such as
    the path of a Unix socket, stay as they are.
    """
    try:
        found = ip_address(address)
    except ValueError:  # a Unix socket has none
        return f"ip:{address}"
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or ip_network((int(found), _NEIGHBOURS), strict=False)
    return f"ip:{found}"
