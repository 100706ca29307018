"""Keys in a file, which may change while the server runs: added, revoked, with an end and allowances of their own.

    {"keys": [{"name": "alice", "sha256": "...", "until": "2027-01-31T00:00:00Z", "rate": 5, "jobs": 100}]}

`pixelrnn keys` writes it. The server looks at it once a second at most, when somebody calls, and once a minute.
"""

import asyncio
import fcntl
import json
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from app.access.api_keys import KeyEntry, KeyFileError

_LOOK_S = 1.0
_TELL_S = 60.0
"""How often the log says that the file cannot be read."""
_WRITING_S = 5.0
"""How long a start waits for whoever is writing the file."""
_log = structlog.get_logger("pixelrnn.api")


class _HalfAFileError(KeyFileError):
    """The file is no JSON: somebody may be writing it."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    keys: tuple[KeyEntry, ...] = ()


def read_keys(path: Path) -> tuple[KeyEntry, ...]:
    """The keys in a file. KeyFileError when it cannot be read, or is none; what may be a key is not repeated."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is no text'}"
        ) from None
    try:
        entries = _File.model_validate_json(text).keys
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "the whole"
        kind = _HalfAFileError if fault["type"] == "json_invalid" else KeyFileError
        raise kind(
            f"{path} is no file of keys: {where} is not as `pixelrnn keys` writes it"
        ) from None
    if len({entry.name for entry in entries}) < len(entries):
        raise KeyFileError(f"{path} has a name twice")
    return entries


def read_keys_once_written(path: Path) -> tuple[KeyEntry, ...]:
    """The keys in a file, which somebody may be writing at this moment. Raises as `read_keys`."""
    ends_at = time.monotonic() + _WRITING_S
    while time.monotonic() < ends_at:
        with suppress(_HalfAFileError):
            return read_keys(path)
        time.sleep(0.05)
    return read_keys(path)


@contextmanager
def changing(path: Path) -> Iterator[list[KeyEntry]]:
    """The keys of a file, which may not be there yet; what the block leaves in the list is written, all of it or
    nothing. Owner and mode stay; a new file is readable by its owner alone. Others who would change it wait.
    KeyFileError."""
    draft = path.with_name(f".{path.name}.draft")
    try:
        with path.with_name(f".{path.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = path.stat() if path.exists() else None
            entries = list(read_keys(path)) if before else []
            yield entries
            facts = {
                "keys": [
                    entry.model_dump(mode="json", exclude_defaults=True)
                    for entry in entries
                ]
            }
            with os.fdopen(
                os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w"
            ) as file:
                file.write(json.dumps(facts, indent=2) + "\n")
                file.flush()
                if before:
                    _hand_over(path, file.fileno(), before)
                os.fsync(file.fileno())
            draft.replace(path)
            os.fsync(folder := os.open(path.parent, os.O_RDONLY))
            os.close(folder)
    except OSError as error:
        raise KeyFileError(f"cannot write {path}: {error.strerror}") from None


def _hand_over(path: Path, draft: int, before: os.stat_result) -> None:
    """Give the draft the owner and the mode of the file that it replaces. KeyFileError where that owner, as whom an API
    may run, could not read it."""
    with suppress(PermissionError):
        os.fchown(draft, before.st_uid, before.st_gid)
    os.fchmod(draft, stat.S_IMODE(before.st_mode))
    now = os.fstat(draft)
    if now.st_uid != before.st_uid and not now.st_mode & stat.S_IROTH:
        raise KeyFileError(
            f"{path} belongs to user {before.st_uid}, who could not read what user {now.st_uid} writes in its place; "
            "nothing is changed: run this as that user or as root"
        )


class KeyFile:
    """The keys of a file as they are now. A file that is damaged or gone changes nothing for `stale_s` seconds (0 = for
    ever), in which the log and `unread_s` tell of it; then it has no keys until it can be read."""

    def __init__(
        self,
        path: Path,
        stale_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """KeyFileError when it cannot be read."""
        self._path = path
        self._stale_s = stale_s
        self._clock = clock
        self._state = self._look()
        self._entries = read_keys_once_written(path)
        self._read_at = self._looked_at = self._told_at = clock()
        self._is_unread = False

    async def follow(self) -> None:
        """Look at it also while nobody calls, until canceled."""
        while True:
            self.entries()
            await asyncio.sleep(_TELL_S)

    def entries(self) -> Sequence[KeyEntry]:
        unread_s = self.unread_s()
        return () if 0 < self._stale_s < unread_s else self._entries

    def unread_s(self) -> float:
        """Seconds since it could last be read; 0 where it can."""
        now = self._clock()
        if now - self._looked_at >= _LOOK_S:
            self._looked_at = now
            self._refresh(now)
        return now - self._read_at if self._is_unread else 0.0

    def _refresh(self, now: float) -> None:
        state = self._look()
        if state == self._state and not self._is_unread:
            self._read_at = now
            return
        self._state = state
        try:
            self._entries = read_keys(self._path)
        except KeyFileError as error:
            if not self._is_unread or now - self._told_at >= _TELL_S:
                self._told_at = now
                _log.error(
                    "keys_not_read",
                    reason=str(error),
                    seconds=round(now - self._read_at),
                )
            self._is_unread = True
        else:
            self._read_at, self._is_unread = now, False
            _log.info("keys_read", keys=len(self._entries))

    def _look(self) -> tuple[int, int, int] | None:
        """The file's state, which changes with what is in it and with who may read it."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ctime_ns, found.st_size, found.st_ino
