"""The place of compiled code on disk, and what happens if it cannot be kept: it is compiled anew, in memory if it must.

A power cut or a full disk leaves files that are cut short. numba would raise what it meets there, at each start again.
"""

import hashlib
import logging
import os
import shutil
import uuid
from pathlib import Path
from typing import Any, Self

import numba
from numba.core import caching, dispatcher

from model_core import levels


def _sources() -> str:
    content = b"".join(source.read_bytes() for source in sorted(Path(__file__).parent.glob("*.py")))
    return hashlib.sha256(content).hexdigest()


SOURCES = _sources()
"""The digest of all files of this package."""


def _cache_directory() -> Path:
    """NUMBA_CACHE_DIR or the user's cache, and in it a directory for these very sources on this processor."""
    target = SOURCES, numba.__version__, *levels.target()
    digest = hashlib.sha256(repr(target).encode()).hexdigest()[:16]
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("NUMBA_CACHE_DIR") or Path(home) / "pixelrnn") / f"compiled-{digest}"


def _is_ours(directory: Path) -> bool:
    """Cached code is run as it is: only a directory that we made, or could make, is trusted."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory.stat().st_uid == os.getuid() and os.access(directory, os.W_OK)
    except OSError:
        return False


def _copy(built: Path, directory: Path) -> None:
    """Begin with what was compiled ahead of time. Whole or not at all: other processes begin, too."""
    draft = directory.with_name(f"{directory.name}.{uuid.uuid4().hex[:8]}")
    try:
        draft.mkdir(mode=0o700, parents=True)
        for file in built.iterdir():
            shutil.copyfile(file, draft / file.name)
        draft.rename(directory)
    except OSError:  # another process was faster, or nothing can be kept
        shutil.rmtree(draft, ignore_errors=True)


def _usable_directory() -> tuple[Path, bool]:
    """The directory, and whether it is used: one of ours, which begins with what was compiled ahead of time, or else
    that itself where it lies."""
    own = _cache_directory()
    built = levels.built_directory(own.name)
    if built and not own.exists():
        _copy(built, own)
    if built and not _is_ours(own):
        return built, True
    return own, _is_ours(own)


directory, KEEP = _usable_directory()
"""The place of compiled code, and whether it is kept on disk; if not, each process compiles for itself."""

_log = logging.getLogger(__name__)
_noted: set[str] = set()
"""Troubles of this process; each is logged once."""


def is_kept(loops: str) -> bool:
    """True if an earlier process left these compiled loops on disk, as `note_kept` was told."""
    return KEEP and (directory / f"{loops}.kept").exists()


def note_kept(loops: str) -> None:
    """Everything of these loops has been compiled; nothing is noted where something could not be kept."""
    if KEEP and "code_not_kept" not in _noted:
        try:
            (directory / f"{loops}.kept").touch()
        except OSError as error:
            _note("code_not_kept", error)


class _Place:
    """Tells numba where it keeps a function of these sources, in the words of its `_CacheLocator`.

    Its own locators have a directory for each place in which the sources lie, so that a second copy of them would be
    compiled again. Ours is named after their digest, which says all that a place or a time of change could.
    """

    def __init__(self, file: str, line: int) -> None:
        self._py_file, self._line = file, line  # numba names the file where it cannot keep a function

    @classmethod
    def from_function(cls, function: Any, file: str) -> Self | None:
        """One of ours, or None for a function of somebody else's."""
        is_ours = Path(file).parent == Path(__file__).parent
        return cls(file, function.__code__.co_firstlineno) if is_ours else None

    def ensure_cache_path(self) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        return str(directory)

    def get_source_stamp(self) -> str:
        return directory.name

    def get_disambiguator(self) -> str:
        return str(self._line)


class _KeptCode(caching.FunctionCache):
    """numba's store of one function, which loads nothing where it would raise, and saves as far as that succeeds."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:
            return self._load_again(sig, target_context, error)

    def _load_again(self, sig: Any, target_context: Any, error: Exception) -> Any:
        """Another process may have put the damage aside by now; else this one does."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:
            _put_aside(error)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:
            _note("code_not_kept", error)


def _put_aside(error: Exception) -> None:
    """No file of a directory with damage is trusted. It goes, so that a full disk is not filled further."""
    _note("kept_code_damaged", error)
    aside = directory.with_name(f"{directory.name}.damaged-{uuid.uuid4().hex[:8]}")
    try:
        directory.rename(aside)
    except OSError as reason:
        _note("kept_code_not_put_aside", reason)
    else:
        shutil.rmtree(aside, ignore_errors=True)


def _note(event: str, error: Exception) -> None:
    if event not in _noted:
        _noted.add(event)
        _log.warning("%s: %s: %r; compiled anew", event, directory, error)


if KEEP:
    caching.CompileResultCacheImpl._locator_classes.insert(0, _Place)
    dispatcher.FunctionCache = _KeptCode  # type: ignore[attr-defined]
