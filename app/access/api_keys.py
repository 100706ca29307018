"""API keys: how they are made, configured and looked up. The server knows only their hashes."""

import hashlib
import hmac
import re
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from app.access.callers import ANYONE

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"^[0-9a-f]{64}$")
MOST_FAILURES = 10
FAILURES_WITHIN_S = 60.0
_ADDRESSES = 10_000
MIN_RATE, MAX_RATE = 0.001, 1e6
"""Jobs a second, of a key or of everybody."""
MAX_OPEN_JOBS = 10**9


class KeyFileError(ValueError):
    """A file of keys cannot be read or written, or is none."""


class KeyEntry(BaseModel):
    """One configured key."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    sha256: str = Field(pattern=_DIGEST.pattern)
    """Digest of the key, in hexadecimal."""
    until: AwareDatetime | None = None
    """End of the key's time; None = it has no end."""
    rate: float | None = Field(
        default=None, ge=MIN_RATE, le=MAX_RATE, allow_inf_nan=False
    )
    """Jobs a second that its holder may hand in; None = as everybody."""
    jobs: int | None = Field(default=None, ge=1, le=MAX_OPEN_JOBS)
    """Jobs of its holder that may be open; None = as everybody."""

    may: tuple[Literal["train"], ...] = ()
    """Rights beside drawing. train: add models, and take its own away."""

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name) or name == ANYONE:
            raise ValueError("expected letters, digits, dots, dashes and underscores")
        return name

    @property
    def has_ended(self) -> bool:
        return self.until is not None and datetime.now(UTC) >= self.until


def parse_keys(text: str) -> tuple[KeyEntry, ...]:
    """`name:digest,name:digest`. Raises ValueError, without repeating what may be a key."""
    entries = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, digest = part.rpartition(":")
        if not _NAME.fullmatch(name) or not _DIGEST.fullmatch(digest) or name == ANYONE:
            raise ValueError(
                "expected NAME:SHA256 pairs, separated by commas; `pixelrnn key NAME` makes one"
            )
        entries.append(KeyEntry(name=name, sha256=digest))
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
    """The configured keys, and those that `more` says now. A look-up takes the same time whether the key is there or
    not."""

    def __init__(
        self,
        entries: Sequence[KeyEntry],
        more: Callable[[], Sequence[KeyEntry]] | None = None,
    ) -> None:
        self._entries = tuple(entries)
        self._more = more

    def __bool__(self) -> bool:
        """True if a key is asked for: also if there may be some later."""
        return bool(self._entries) or self._more is not None

    def holder(self, key: str) -> KeyEntry | None:
        """The entry of a key that has not ended, or None."""
        digest, found = digest_of(key), None
        for entry in (*self._entries, *(self._more() if self._more else ())):
            if hmac.compare_digest(entry.sha256, digest):
                found = entry
        return None if found is None or found.has_ended else found


class RecentFailures:
    """Addresses that brought wrong keys lately, and how often each did."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: dict[str, deque[float]] = {}

    def note(self, address: str) -> None:
        if len(self._times) >= _ADDRESSES:
            self._times.pop(next(iter(self._times)))
        self._times.setdefault(address, deque(maxlen=MOST_FAILURES)).append(
            self._clock()
        )

    def wait_s(self, address: str) -> float:
        """Seconds until it may try again; 0 = now."""
        times = self._times.get(address)
        if times is None or len(times) < MOST_FAILURES:
            return 0.0
        return max(0.0, times[0] + FAILURES_WITHIN_S - self._clock())
