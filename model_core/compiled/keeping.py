"""The place of compiled code on disk, and what happens if it cannot be kept: it is compiled anew, in memory if it must.

A power cut or a full disk leaves files that are cut short. numba would raise what it meets there, at each start again.
"""

import hashlib
import logging
import os
import shutil
import sys
import uuid
from pathlib import Path
from typing import Any, Self

import numba
from numba.core import caching, dispatcher

from model_core import levels
from model_core.source_digest import files_imported_by, source_digest

_PACKAGE = Path(__file__).parent
_BLOCKS = _PACKAGE.with_name("blocks")
"""The other package whose compiled code is kept: programs for a CPU and for GPUs."""


def _root() -> Path:
    """Return the directory of all code compiled for this processor by this version of numba.

    It lies in NUMBA_CACHE_DIR, or else in the user's cache.
    """
    target = numba.__version__, *levels.target()
    digest = hashlib.sha256(repr(target).encode()).hexdigest()[:16]
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (
        Path(os.environ.get("NUMBA_CACHE_DIR") or Path(home) / "pixelrnn")
        / f"compiled-{digest}"
    )


def _is_ours(directory: Path) -> bool:
    """Return True if the directory exists or can be made, belongs to this user, and can be written to.

    Cached machine code is executed as it is found, so a directory of somebody else is not trusted.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory.stat().st_uid == os.getuid() and os.access(directory, os.W_OK)
    except OSError:
        return False


root = _root()
"""Directory of all compiled code; each module and the notes have a directory of their own in it."""

_built = levels.built_directory(root.name)
"""The same directory as it was built ahead of time for a wheel or an image, or None."""

_is_root_ours = _is_ours(root)

KEEP = _is_root_ours or _built is not None
"""True if compiled code is kept on disk; otherwise each process compiles for itself."""


def directory_of(module: str) -> Path:
    """Return the directory in which the functions of a module of this package are kept.

    Its name contains a digest of the module and of everything that it imports from this package, so a change of either
    leaves the compiled code of all other modules valid. A directory that does not exist yet begins as a copy of what
    was built ahead of time. If nothing can be written, the one that was built is used where it lies.
    """
    digest = source_digest(files_imported_by(module, _PACKAGE, __package__ or ""))
    return _usable(f"{module}-{digest[:16]}")


def directory_of_block_program(module: str) -> Path:
    """Return the directory in which a program of model_core/blocks is kept."""
    return _usable(f"blocks-{module}-{source_digest(block_sources())[:16]}")


def block_sources() -> list[Path]:
    """Return the files of which the programs of model_core/blocks are made.

    A program consists of most modules of its package, so these are all of them, and the
    one that they import from this package.
    """
    return [*sorted(_BLOCKS.glob("*.py")), _PACKAGE / "logarithm.py"]


def _usable(name: str) -> Path:
    own = root / name
    if _built is not None and (_built / name).is_dir():
        if not _is_root_ours:
            return _built / name
        if not own.exists():
            _copy(_built / name, own)
    return own


def _copy(built: Path, directory: Path) -> None:
    """Copy a directory whole or not at all, because other processes may start at the same time."""
    draft = directory.with_name(f"{directory.name}.{uuid.uuid4().hex[:8]}")
    try:
        draft.mkdir(mode=0o700, parents=True)
        for file in built.iterdir():
            shutil.copyfile(file, draft / file.name)
        draft.rename(directory)
    except OSError:  # another process was faster, or nothing can be kept
        shutil.rmtree(draft, ignore_errors=True)


_log = logging.getLogger(__name__)
_noted: set[str] = set()
"""Events of this process that were logged; each is logged once."""


def module_of(kind: str) -> str:
    """Return the name of the file of this package that draws with a kind of network."""
    return kind.replace("-", "_")


def is_loop_kept(kind: str, function: str) -> bool:
    """Return True if a function of a kind of network lies on disk, compiled."""
    module = module_of(kind)
    if not KEEP or not (_PACKAGE / f"{module}.py").exists():
        return False
    python = f"py{sys.version_info.major}{sys.version_info.minor}{sys.abiflags}"
    index = f"{module}.{function}-{_Place.DISAMBIGUATOR}.{python}.nbi"
    return (directory_of(module) / index).is_file()


def is_kept(kind: str) -> bool:
    """Return True if both functions that draw with a kind of network lie on disk."""
    return is_loop_kept(kind, "advance") and is_loop_kept(kind, "pass_given")


class _Place:
    """The place where numba keeps the functions of one file, with the methods of its `_CacheLocator`.

    numba's own locators have a directory for each place in which the sources lie, so that a second copy of them would
    be compiled again. Ours is named after a digest of the sources, which makes a place or a time of change unnecessary.
    """

    def __init__(self, file: str) -> None:
        self._py_file = file  # numba names the file in the error it raises if a function cannot be kept
        source = Path(file)
        is_program = source.parent == _BLOCKS
        find = directory_of_block_program if is_program else directory_of
        self._directory = find(source.stem)

    @classmethod
    def from_function(cls, function: Any, file: str) -> Self | None:
        """Return the place of a function of the two packages, or None for a function from elsewhere."""
        return cls(file) if Path(file).parent in (_PACKAGE, _BLOCKS) else None

    def ensure_cache_path(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        return str(self._directory)

    def get_source_stamp(self) -> str:
        return self._directory.name

    DISAMBIGUATOR = "0"
    """A constant: within one file the name of a function is enough, and a line number
    would change the key whenever a comment above the function does."""

    def get_disambiguator(self) -> str:
        return self.DISAMBIGUATOR


class _KeptCode(caching.FunctionCache):
    """numba's store of one function, which loads nothing if loading raises, and ignores that saving fails."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:
            return self._load_again(sig, target_context, error)

    def _load_again(self, sig: Any, target_context: Any, error: Exception) -> Any:
        """Load once more, because another process may have put the damage aside by now; otherwise put it aside."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:
            _put_aside(Path(self.cache_path), error)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:
            _note("code_not_kept", Path(self.cache_path), error)


def _put_aside(directory: Path, error: Exception) -> None:
    """Remove a directory that contains a damaged file: none of its files is trusted, and a full disk must not be
    filled further."""
    _note("kept_code_damaged", directory, error)
    aside = directory.with_name(f"{directory.name}.damaged-{uuid.uuid4().hex[:8]}")
    try:
        directory.rename(aside)
    except OSError as reason:
        _note("kept_code_not_put_aside", directory, reason)
    else:
        shutil.rmtree(aside, ignore_errors=True)


def _note(event: str, directory: Path, error: Exception) -> None:
    if event not in _noted:
        _noted.add(event)
        _log.warning("%s: %s: %r; compiled anew", event, directory, error)


if KEEP:
    caching.CompileResultCacheImpl._locator_classes.insert(0, _Place)
    dispatcher.FunctionCache = _KeptCode  # type: ignore[attr-defined]
