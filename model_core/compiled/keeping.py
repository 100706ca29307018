"""Where compiled code is kept on disk, and what happens if it cannot be: it is compiled
again, in memory if necessary.

A power cut or a full disk leaves files that are cut short. numba would raise the error
of reading them at each start.
"""

import errno
import hashlib
import logging
import os
import pickletools
import re
import shutil
import sys
import time
import uuid
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import numba
from numba.core import caching, dispatcher

from model_core import levels
from model_core.source_digest import files_imported_by, source_digest

_PACKAGE = Path(__file__).parent
_BLOCKS = _PACKAGE.with_name("blocks")
"""The other package whose compiled code is kept: programs for a CPU and for GPUs."""


_UNUSED_S = 30 * 24 * 3600.0
"""Seconds after which compiled code that no process has used is removed. Each version
of the sources, of numba and of the CPU's features has code of its own."""
_NOTED_S = 24 * 3600.0
"""Seconds until a use is recorded again."""
_ROOT_NAME = re.compile(r"compiled-[0-9a-f]{16}")


def _root() -> Path:
    """Return the directory of all code compiled for this CPU by this version of
    numba: in NUMBA_CACHE_DIR, or else in the user's cache."""
    target = numba.__version__, *levels.target()
    digest = hashlib.sha256(repr(target).encode()).hexdigest()[:16]
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (
        Path(os.environ.get("NUMBA_CACHE_DIR") or Path(home) / "pixelrnn")
        / f"compiled-{digest}"
    )


def _is_ours(directory: Path) -> bool:
    """Return True if the directory exists or can be made, belongs to this user, and can
    be written to.

    Cached machine code is executed without a check, so a directory of another user is
    not trusted.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory.stat().st_uid == os.getuid() and os.access(directory, os.W_OK)
    except OSError:
        return False


root = _root()
"""Directory of all compiled code. Each module and each record of a use has a place of
its own in it."""

_built = levels.built_directory(root.name)
"""The same directory as it was built ahead of time for a wheel or an image; None if it
was not."""

_is_root_ours = _is_ours(root)

KEEP = _is_root_ours or _built is not None
"""True if compiled code is kept on disk; otherwise each process compiles for itself."""


def directory_of(module: str) -> Path:
    """Return the directory in which the functions of a module of this package are kept.
    It may not exist; if it does not, it is first copied from what was built ahead of
    time, if there is that. If nothing can be written, the built one is returned.

    module: its name without the package.
    """
    # Of the module and everything that it imports from this package, so that a change
    # leaves the compiled code of all other modules valid.
    digest = source_digest(files_imported_by(module, _PACKAGE, __package__ or ""))
    return _usable(f"{module}-{digest[:16]}")


def directory_of_block_program(module: str) -> Path:
    """Return the directory in which a program of model_core/blocks is kept. It may not
    exist."""
    return _usable(f"blocks-{module}-{source_digest(block_sources())[:16]}")


def block_sources() -> list[Path]:
    """Return the files of which the programs of model_core/blocks are made: all modules
    of that package, and the one that they import from this package. A program consists
    of most of them."""
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
    """Copy a directory whole or not at all, because other processes may start at the
    same time."""
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
"""Events that this process has logged; each is logged once."""


def module_of(kind: str) -> str:
    """Return the name of the module of this package that draws with a kind of network:
    `row_lstm` for `row-lstm`."""
    return kind.replace("-", "_")


def is_loop_kept(kind: str, function: str) -> bool:
    """Return True if a function of a kind of network is on disk, compiled for this CPU
    from these sources.

    kind: such as `row-lstm`.
    function: `advance`, which draws, or `pass_given`.
    """
    return is_function_kept(module_of(kind), function)


def is_function_kept(module: str, function: str) -> bool:
    """Return True if a compiled function of a module of this package is on disk, for
    this CPU and from these sources."""
    if not KEEP or not (_PACKAGE / f"{module}.py").exists():
        return False
    python = f"py{sys.version_info.major}{sys.version_info.minor}{sys.abiflags}"
    index = f"{module}.{function}-{_Place.DISAMBIGUATOR}.{python}.nbi"
    return (directory_of(module) / index).is_file()


def is_kept(kind: str) -> bool:
    """Return True if both functions that draw with a kind of network, such as
    `row-lstm`, are on disk, compiled for this CPU from these sources."""
    return is_loop_kept(kind, "advance") and is_loop_kept(kind, "pass_given")


class _Place:
    """Where numba keeps the functions of one file, with the methods of its
    `_CacheLocator`.

    numba's own locators have a directory for each place of the sources, so a second
    copy of them would be compiled again. This one is named after a digest of the
    sources, so neither their place nor the time of a change matters.
    """

    def __init__(self, file: str) -> None:
        # numba names the file in the error that it raises if a function cannot be kept.
        self._py_file = file
        source = Path(file)
        is_program = source.parent == _BLOCKS
        find = directory_of_block_program if is_program else directory_of
        self._directory = find(source.stem)
        _note_use(self._directory)

    @classmethod
    def from_function(cls, function: Any, file: str) -> Self | None:
        """Return the place of a function of the two packages; None for a function from
        elsewhere."""
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
    """numba's store of one function, except that it loads nothing if loading raises,
    and ignores an error of saving. A lack of memory is raised as MemoryError: the code
    is not damaged then."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:
            if self._lacks_memory(error):
                raise MemoryError(f"to load compiled code: {error!r}") from error
            return self._load_again(sig, target_context)

    def _load_again(self, sig: Any, target_context: Any) -> Any:
        """Load once more, because another process may have removed the damaged code; if
        that fails, remove it."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:
            if self._lacks_memory(error):
                raise MemoryError(f"to load compiled code: {error!r}") from error
            directory = Path(self.cache_path)
            if isinstance(error, OSError) and error.errno in _TOO_MANY_FILES:
                _note("kept_code_not_read", directory, error)
            else:
                _put_aside(directory, error)
            return None

    def _lacks_memory(self, error: Exception) -> bool:
        """Return True if the error is not a sign of damage. A damaged length may look
        like a lack of memory."""
        is_of_memory = isinstance(error, MemoryError) or (
            isinstance(error, OSError) and error.errno == errno.ENOMEM
        )
        return is_of_memory and _is_well_formed(Path(self.cache_path))

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:
            _note("code_not_kept", Path(self.cache_path), error)
        else:
            _remove_unused()


_TOO_MANY_FILES = (errno.EMFILE, errno.ENFILE)


def _is_well_formed(directory: Path) -> bool:
    """Return False if a file of compiled code is not a sequence of pickles. Nothing is
    unpickled."""
    for file in directory.glob("*.nb?"):
        try:
            content = BytesIO(file.read_bytes())
            while content.tell() < content.getbuffer().nbytes:
                for _ in pickletools.genops(content):
                    pass
        except ValueError:
            return False
        except (OSError, MemoryError):  # it cannot be read now, for the same reason
            continue
    return True


def _note_use(directory: Path) -> None:
    """Record that a directory of compiled code, and the one that contains it, are
    used."""
    for used in (directory, directory.parent):
        with suppress(OSError):  # it is not there yet, or belongs to somebody else
            if used.stat().st_mtime < time.time() - _NOTED_S:
                os.utime(used)


def _remove_unused() -> None:
    """Remove, once in a process, compiled code that no process has used for a month.

    It is called after code was saved, because the cache grows only then. A process that
    needs what is being removed compiles it again: a directory is renamed before its
    files are deleted, and files that are open stay readable.
    """
    if _removed or not _is_root_ours:
        return
    _removed.append(time.time())
    others = (place for place in root.parent.iterdir() if _ROOT_NAME.match(place.name))
    with suppress(OSError):
        for place in [*others, *root.iterdir()]:
            if place != root and place.is_dir() and not place.is_symlink():
                _remove_if_unused(place)


_removed: list[float] = []
"""When this process has looked for unused code."""


def _remove_if_unused(directory: Path) -> None:
    limit = time.time() - _UNUSED_S
    with suppress(OSError):  # another process removes the same
        is_ours = directory.stat().st_uid == os.getuid()
        if not is_ours or _last_use(directory) >= limit:
            return
        aside = directory.with_name(f"{directory.name}.unused-{uuid.uuid4().hex[:8]}")
        directory.rename(aside)
        if _last_use(aside) >= limit:  # used since
            aside.rename(directory)
        else:
            shutil.rmtree(aside, ignore_errors=True)


def _last_use(directory: Path) -> float:
    """Return the time of the last use, in seconds since 1970: when it was recorded, or
    when a file was last read or written.

    Earlier versions record nothing. A file system may not record when files are read.
    """
    times = [directory.stat().st_mtime]
    for path, directories, files in os.walk(directory):
        times += [(Path(path) / name).lstat().st_mtime for name in directories]
        for name in files:
            facts = (Path(path) / name).lstat()
            times += [facts.st_mtime, facts.st_atime]
    return max(times)


def _put_aside(directory: Path, error: Exception) -> None:
    """Remove a directory that contains a damaged file: none of its files is trusted,
    and a full disk must not be filled further."""
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
