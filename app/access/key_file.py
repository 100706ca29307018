"""Keys in a file, which may change while the server runs: added, revoked, with an end and allowances of their own.

    {"keys": [{"name": "alice", "sha256": "...", "until": "2027-01-31T00:00:00Z", "rate": 5, "jobs": 100}]}

`pixelrnn keys` writes it. The server looks at it once a second at most, when somebody calls.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from app.access.api_keys import KeyEntry, KeyFileError

_LOOK_S = 1.0
_log = structlog.get_logger("pixelrnn.api")


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    keys: tuple[KeyEntry, ...] = ()


def read_keys(path: Path) -> tuple[KeyEntry, ...]:
    """The keys in a file. KeyFileError when it cannot be read, or is none; what may be a key is not repeated."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    try:
        entries = _File.model_validate_json(text).keys
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "the whole"
        raise KeyFileError(f"{path} is no file of keys: {where} is not as `pixelrnn keys` writes it") from None
    if len({entry.name for entry in entries}) < len(entries):
        raise KeyFileError(f"{path} has a name twice")
    return entries


@contextmanager
def changing(path: Path) -> Iterator[list[KeyEntry]]:
    """The keys of a file, which may not be there yet; what the block leaves in the list is written, all of it or
    nothing, and readable by its owner alone. Others who would change it wait. KeyFileError."""
    draft = path.with_name(f".{path.name}.draft")
    try:
        with path.with_name(f".{path.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entries = list(read_keys(path)) if path.exists() else []
            yield entries
            facts = {"keys": [entry.model_dump(mode="json", exclude_none=True) for entry in entries]}
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(json.dumps(facts, indent=2) + "\n")
            draft.replace(path)
    except OSError as error:
        raise KeyFileError(f"cannot write {path}: {error.strerror}") from None


class KeyFile:
    """The keys of a file as they are now. A file that is damaged or gone changes nothing, and the log says so."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """KeyFileError when it cannot be read."""
        self._path = path
        self._clock = clock
        self._state = self._look()
        self._entries = read_keys(path)
        self._looked_at = clock()

    def entries(self) -> Sequence[KeyEntry]:
        now = self._clock()
        if now - self._looked_at >= _LOOK_S:
            self._looked_at = now
            self._refresh()
        return self._entries

    def _refresh(self) -> None:
        state = self._look()
        if state == self._state:
            return
        self._state = state
        try:
            self._entries = read_keys(self._path)
        except KeyFileError as error:
            _log.error("keys_not_read", reason=str(error))
        else:
            _log.info("keys_read", keys=len(self._entries))

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
