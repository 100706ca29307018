"""API keys: how they are made, configured and looked up. The server knows only their hashes."""

import hashlib
import hmac
import re
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.access.callers import ANYONE

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
MOST_FAILURES = 10
FAILURES_WITHIN_S = 60.0
_ADDRESSES = 10_000


@dataclass(frozen=True)
class KeyEntry:
    """One configured key."""

    name: str
    digest: str
    """sha256 of the key, in hexadecimal."""


def parse_keys(text: str) -> tuple[KeyEntry, ...]:
    """`name:digest,name:digest`. Raises ValueError, without repeating what may be a key."""
    entries = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, digest = part.rpartition(":")
        if not _NAME.fullmatch(name) or not _DIGEST.fullmatch(digest) or name == ANYONE:
            raise ValueError("expected NAME:SHA256 pairs, separated by commas; `pixelrnn key NAME` makes one")
        entries.append(KeyEntry(name, digest))
    if len({entry.name for entry in entries}) < len(entries):
        raise ValueError("expected each name once")
    return tuple(entries)


def new_key() -> tuple[str, str]:
    """A key, to be told to its holder, and its digest, to be configured."""
    key = secrets.token_urlsafe(32)
    return key, digest_of(key)


def digest_of(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


class Keyring:
    """The configured keys. A look-up takes the same time whether the key is there or not."""

    def __init__(self, entries: Sequence[KeyEntry]) -> None:
        self._entries = tuple(entries)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def holder(self, key: str) -> str | None:
        """Name of the key's holder, or None."""
        digest, found = digest_of(key), None
        for entry in self._entries:
            if hmac.compare_digest(entry.digest, digest):
                found = entry.name
        return found


class RecentFailures:
    """Addresses that brought wrong keys lately, and how often each did."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: dict[str, deque[float]] = {}

    def note(self, address: str) -> None:
        if len(self._times) >= _ADDRESSES:
            self._times.pop(next(iter(self._times)))
        self._times.setdefault(address, deque(maxlen=MOST_FAILURES)).append(self._clock())

    def wait_s(self, address: str) -> float:
        """Seconds until it may try again; 0 = now."""
        times = self._times.get(address)
        if times is None or len(times) < MOST_FAILURES:
            return 0.0
        return max(0.0, times[0] + FAILURES_WITHIN_S - self._clock())
