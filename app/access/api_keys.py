"""API keys: how they are made, configured and looked up. The server knows only their
hashes."""

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
"""Wrong keys that an address may send within FAILURES_WITHIN_S seconds."""
FAILURES_WITHIN_S = 60.0
"""Seconds; see MOST_FAILURES."""
_ADDRESSES = 10_000
"""Maximum number of addresses whose wrong keys are remembered."""
MIN_RATE = 0.001
"""Jobs per second, the smallest limit of a key or of the server."""
MAX_RATE = 1e6
"""Jobs per second, the largest limit."""
MAX_OPEN_JOBS = 10**9
"""Open jobs, the largest limit of a key or of the server."""


class KeyFileError(ValueError):
    """A file of keys cannot be read or written, is not a file of keys, or names a key
    twice. The message contains the path and no key."""


class KeyEntry(BaseModel):
    """One configured key: its name, its hash, and what its holder may do. The
    constructor raises pydantic's ValidationError for a value that a field does not
    allow, and for an unknown field."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    """Name of the key and owner of its jobs: a letter or digit, then up to 63 letters,
    digits, dots, dashes and underscores. `anyone`, the owner of jobs of callers without
    keys, is not allowed."""
    sha256: str = Field(pattern=_DIGEST.pattern)
    """SHA-256 of the key: 64 hexadecimal digits in lower case."""
    until: AwareDatetime | None = None
    """Time at which the key expires; None: never."""
    rate: float | None = Field(
        default=None, ge=MIN_RATE, le=MAX_RATE, allow_inf_nan=False
    )
    """Jobs per second that its holder may submit; None: the server's limit."""
    jobs: int | None = Field(default=None, ge=1, le=MAX_OPEN_JOBS)
    """Open jobs that its holder may have; None: the server's limit."""

    role: Literal["operator"] | None = None
    """operator: sees and drains workers too; None: draws only."""
    may: tuple[Literal["train"], ...] = ()
    """Rights in addition to drawing. train: add models, and delete its own ones."""

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name) or name == ANYONE:
            raise ValueError("expected letters, digits, dots, dashes and underscores")
        return name

    @property
    def has_ended(self) -> bool:
        """True if the key has expired by this machine's clock; False if it never
        expires."""
        return self.until is not None and datetime.now(UTC) >= self.until


def parse_keys(text: str) -> tuple[KeyEntry, ...]:
    """Return the keys in a text `NAME:SHA256,NAME:SHA256`, in its order, without expiry
    and without limits. An empty text has none.

    Raises ValueError if an entry is malformed or a name occurs twice. The message
    repeats nothing of the text, because it may contain keys.
    """
    entries = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, digest = part.rpartition(":")
        if not _NAME.fullmatch(name) or not _DIGEST.fullmatch(digest) or name == ANYONE:
            raise ValueError(
                "expected NAME:SHA256 pairs, separated by commas; `pixelrnn key NAME` "
                "makes one"
            )
        entries.append(KeyEntry(name=name, sha256=digest))
    if len({entry.name for entry in entries}) < len(entries):
        raise ValueError("expected each name once")
    return tuple(entries)


def new_key() -> tuple[str, str]:
    """Return a new random key, which only its holder should see, and its digest, which
    the configuration contains. Nothing is stored."""
    key = secrets.token_urlsafe(32)
    return key, digest_of(key)


def digest_of(key: str) -> str:
    """Return the SHA-256 of a text as 64 lower-case hexadecimal digits. Characters that
    UTF-8 cannot encode count as question marks."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


class Keyring:
    """The keys that the API accepts: a fixed list, and optionally others that may
    change while it runs.

    It is true if callers need a key, even if no key exists yet.
    """

    def __init__(
        self,
        entries: Sequence[KeyEntry],
        more: Callable[[], Sequence[KeyEntry]] | None = None,
    ) -> None:
        """entries: the fixed keys.
        more: returns the other keys, and is called again by each look-up; None if there
            are only the fixed ones.
        """
        self._entries = tuple(entries)
        self._more = more

    def __bool__(self) -> bool:
        """Return True if callers need a key, also if there are only keys that may be
        added later."""
        return bool(self._entries) or self._more is not None

    def holder(self, key: str) -> KeyEntry | None:
        """Return the entry of a key, or None if there is none or it has expired.

        The time that this takes does not depend on the key. Errors of `more` are passed
        on.
        """
        digest = digest_of(key)
        more = self._more() if self._more else ()
        found = None
        # No early end: the time must not depend on the key's place.
        for entry in (*self._entries, *more):
            if hmac.compare_digest(entry.sha256, digest):
                found = entry
        return None if found is None or found.has_ended else found


class RecentFailures:
    """The addresses that sent wrong keys recently, and when.

    It counts for one API process, in memory, and remembers up to 10,000 addresses: a
    new one then takes the place of the one that has been remembered longest.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """clock: returns the time in seconds, and never goes back."""
        self._clock = clock
        self._times: dict[str, deque[float]] = {}

    def note(self, address: str) -> None:
        """Record that an address sent a wrong key now."""
        if address not in self._times and len(self._times) >= _ADDRESSES:
            # A dictionary keeps its order: this is the address that was added first.
            self._times.pop(next(iter(self._times)))
        self._times.setdefault(address, deque(maxlen=MOST_FAILURES)).append(
            self._clock()
        )

    def wait_s(self, address: str) -> float:
        """Return the seconds until the address may try a key again: 0 unless it sent
        MOST_FAILURES wrong ones within the last FAILURES_WITHIN_S seconds. Nothing is
        recorded."""
        times = self._times.get(address)
        if times is None or len(times) < MOST_FAILURES:
            return 0.0
        return max(0.0, times[0] + FAILURES_WITHIN_S - self._clock())
