"""Keys in a file that may change while the server runs: keys can be added and revoked,
and may have an expiry and limits of their own.

    {"keys": [{"name": "alice", "sha256": "...", "until": "2027-01-31T00:00:00Z",
               "rate": 5, "jobs": 100}]}

`pixelrnn keys` writes it. The server checks it when a request arrives, at most once a
second, and without requests once a minute.
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
"""Minimum number of seconds between two checks of the file."""
_LOG_S = 60.0
"""Seconds between two log lines that the file cannot be read, and between two checks
without requests."""
_WRITING_S = 5.0
"""Maximum number of seconds that a start waits for a process that is writing the file.
"""
_log = structlog.get_logger("pixelrnn.api")


class _HalfAFileError(KeyFileError):
    """The file is not JSON, perhaps because a process is writing it."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    keys: tuple[KeyEntry, ...] = ()


def read_keys(path: Path) -> tuple[KeyEntry, ...]:
    """Return the keys in a file, in its order.

    Raises KeyFileError if it cannot be read, is not a file of keys, or has a name
    twice. The message repeats neither values nor unknown names of fields, because they
    may be keys.
    """
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
        place = list(fault["loc"])
        if fault["type"] == "extra_forbidden":
            place[-1] = "an unknown field"  # its name may be a key
        where = ".".join(map(str, place)) or "the whole"
        kind = _HalfAFileError if fault["type"] == "json_invalid" else KeyFileError
        raise kind(
            f"{path} is no file of keys: {where} is not as `pixelrnn keys` writes it"
        ) from None
    if len({entry.name for entry in entries}) < len(entries):
        raise KeyFileError(f"{path} has a name twice")
    return entries


def read_keys_once_written(path: Path) -> tuple[KeyEntry, ...]:
    """Return the keys in a file that a process may be writing at this moment.

    If the file is not JSON, try again for up to 5 seconds, which blocks the thread.
    Raises KeyFileError as `read_keys` does, at once for any other fault.
    """
    ends_at = time.monotonic() + _WRITING_S
    while time.monotonic() < ends_at:
        with suppress(_HalfAFileError):
            return read_keys(path)
        time.sleep(0.05)
    return read_keys(path)


@contextmanager
def edit_keys(path: Path) -> Iterator[list[KeyEntry]]:
    """Context manager for changing the keys in a file: it yields a list of the keys,
    empty if there is no file, and writes the list back at the end. The caller must not
    use a name twice.

    The file is written whole or not at all, and not if the block raises. It keeps its
    mode and, if possible, its owner; a new file is readable by its owner only. Another
    process that calls this for the same file waits until the block has ended.

    Raises KeyFileError if the file cannot be read or written, or is no file of keys.
    """
    if not path.name:
        raise KeyFileError(f"cannot write {path}: expected the name of a file")
    draft = path.with_name(f".{path.name}.draft")
    try:
        with path.with_name(f".{path.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = path.stat() if path.exists() else None
            entries = list(read_keys(path)) if before else []
            yield entries
            listed = [
                entry.model_dump(mode="json", exclude_defaults=True)
                for entry in entries
            ]
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with os.fdopen(os.open(draft, flags, 0o600), "w") as file:
                file.write(json.dumps({"keys": listed}, indent=2) + "\n")
                file.flush()
                if before:
                    _hand_over(path, file.fileno(), before)
                os.fsync(file.fileno())
            draft.replace(path)
            # Make the renaming survive a crash.
            folder = os.open(path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
    except OSError as error:
        raise KeyFileError(f"cannot write {path}: {error.strerror}") from None


def _hand_over(path: Path, draft: int, before: os.stat_result) -> None:
    """Give the draft the owner and the mode of the file that it replaces. Raise
    KeyFileError if that owner, as whom an API may run, could not read it.

    draft: file descriptor.
    """
    with suppress(PermissionError):
        os.fchown(draft, before.st_uid, before.st_gid)
    os.fchmod(draft, stat.S_IMODE(before.st_mode))
    now = os.fstat(draft)
    if now.st_uid != before.st_uid and not now.st_mode & stat.S_IROTH:
        raise KeyFileError(
            f"{path} belongs to user {before.st_uid}, who could not read what user "
            f"{now.st_uid} writes in its place; nothing is changed: run this as that "
            "user or as root"
        )


class KeyFile:
    """The current keys of a file, which is read again when it changes.

    If the file becomes invalid or disappears, its last keys stay for `stale_s` seconds,
    and the log and `unread_s` report it. After that there are no keys until it can be
    read again.
    """

    def __init__(
        self,
        path: Path,
        stale_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the file; wait up to 5 seconds for a process that is writing it.

        stale_s: seconds that the last keys stay without a readable file; 0: for ever.
        clock: returns the time in seconds, and never goes back.

        Raises KeyFileError if the file cannot be read or is invalid.
        """
        self._path = path
        self._stale_s = stale_s
        self._clock = clock
        # The state is taken first: a change between the two lines is noticed later.
        self._state = self._look()
        self._entries = read_keys_once_written(path)
        now = clock()
        self._read_at = now
        self._looked_at = now
        self._logged_at = now
        self._is_unread = False

    async def follow(self) -> None:
        """Check the file every 60 seconds, so that changes are noticed without
        requests. This never returns; cancel it to end it."""
        while True:
            self.entries()
            await asyncio.sleep(_LOG_S)

    def entries(self) -> Sequence[KeyEntry]:
        """Return the keys of the file, including those that have expired; none if the
        file has been unreadable for more than `stale_s` seconds.

        The file is checked if the last check was a second ago or longer, and read if it
        has changed. Raises nothing: a file that cannot be read is logged.
        """
        unread_s = self.unread_s()
        return () if 0 < self._stale_s < unread_s else self._entries

    def unread_s(self) -> float:
        """Return the seconds since the file was last readable; 0 if it was readable at
        the last check. It is checked as by `entries`."""
        now = self._clock()
        if now - self._looked_at >= _LOOK_S:
            self._looked_at = now
            self._refresh(now)
        return now - self._read_at if self._is_unread else 0.0

    def _refresh(self, now: float) -> None:
        """Read the file if its state has changed, or if it could not be read before."""
        state = self._look()
        if state == self._state and not self._is_unread:
            self._read_at = now
            return
        self._state = state
        try:
            self._entries = read_keys(self._path)
        except KeyFileError as error:
            if not self._is_unread or now - self._logged_at >= _LOG_S:
                self._logged_at = now
                _log.error(
                    "keys_not_read",
                    reason=str(error),
                    seconds=round(now - self._read_at),
                )
            self._is_unread = True
        else:
            self._read_at = now
            self._is_unread = False
            _log.info("keys_read", keys=len(self._entries))

    def _look(self) -> tuple[int, int, int] | None:
        """Return the file's state, which changes with its content and its permissions;
        None if it is missing."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ctime_ns, found.st_size, found.st_ino
