"""Compiled code that is kept on disk: what damage does to it, and what it does not do."""

import errno
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from numba.core import caching

from model_core.compiled import keeping
from model_core.compiled.philox import fill_uniform
from model_core.source_digest import files_imported_by

ROOT = Path(__file__).parents[2]


def drawn() -> list[float]:
    """What the function gives in a process that has not compiled it."""
    out = np.empty((1, 2, 3))
    njit(nogil=True, cache=True)(fill_uniform.py_func)(3, 1, 4, out)
    return out.ravel().tolist()


EXPECTED = drawn()


@pytest.fixture(scope="module")
def kept_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not keeping.KEEP:
        pytest.skip("compiled code cannot be kept here")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "root", tmp_path_factory.mktemp("kept") / "compiled")
        assert drawn() == EXPECTED
        return keeping.root


@pytest.fixture
def directory(kept_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a root in which the function has been kept once."""
    directory = tmp_path / "cache" / "compiled"
    shutil.copytree(kept_once, directory)
    monkeypatch.setattr(keeping, "root", directory)
    monkeypatch.setattr(keeping, "_noted", set())
    return directory


def kept(directory: Path) -> set[str]:
    return {path.name for path in directory.rglob("*.nb?")}


def cut(pattern: str, length: int) -> Callable[[Path], None]:
    def do(directory: Path) -> None:
        for path in directory.rglob(pattern):
            os.truncate(path, length)

    return do


def garbage(directory: Path) -> None:
    for path in directory.rglob("*.nb?"):
        path.write_bytes(bytes(1000))


def unreadable(directory: Path) -> None:
    """A directory where the file should be."""
    for path in directory.rglob("*.nbi"):
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize(
    "damage",
    [cut("*.nbi", 20), cut("*.nbc", 1000), garbage, unreadable],
    ids=["cut index", "cut code", "garbage", "unreadable"],
)
def test_damage_heals(
    directory: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The function is compiled anew, kept anew, and this is logged once; nothing else is left."""
    whole = kept(directory)
    damage(directory)
    assert [drawn(), drawn()] == [EXPECTED] * 2
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "kept_code_damaged"
    ]
    assert kept(directory) == whole
    assert list(directory.iterdir()) == [keeping.directory_of("philox")]


@contextmanager
def full_disk(directory: Path) -> Iterator[None]:
    """No file takes a byte."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def no_directory(directory: Path) -> Iterator[None]:
    """And none can be made."""
    directory.parent.rmdir()
    directory.parent.touch()
    yield


@pytest.mark.parametrize("trouble", [full_disk, no_directory])
def test_function_is_compiled_in_memory_when_it_cannot_be_kept(
    directory: Path,
    trouble: Callable[[Path], AbstractContextManager[None]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged once, and no note says that it was kept."""
    shutil.rmtree(directory)
    with trouble(directory):
        assert [drawn(), drawn()] == [EXPECTED] * 2
    events = [record.message.partition(":")[0] for record in caplog.records]
    assert "code_not_kept" in events
    assert len(events) == len(set(events))
    assert not list(directory.rglob("*.nb?"))


def test_compiled_code_is_kept_where_only_its_owner_can_write(tmp_path: Path) -> None:
    """Cached machine code is run as it is found, so a directory of someone else's is not used."""
    assert keeping._is_ours(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
    (tmp_path / "file").write_text("")
    assert not keeping._is_ours(tmp_path / "file" / "under")


def test_comments_and_layout_leave_compiled_code_valid(tmp_path: Path) -> None:
    """Only a change of what the code does changes the digest."""
    source = tmp_path / "loop.py"
    source.write_text("def double(x):\n    return 2 * x\n")
    before = digest_of(source)
    source.write_text(
        '"""A module."""\n\n\ndef double(\n    x,\n):\n    """Return twice x."""\n    # twice\n    return (2 * x)\n'
    )
    assert digest_of(source) == before
    source.write_text("def double(x):\n    return 3 * x\n")
    assert digest_of(source) != before


def digest_of(source: Path) -> str:
    """Return its digest in a process of its own, as files are read once in each process."""
    return digest_by(sys.executable, source)


def digest_by(python: str, *sources: Path) -> str:
    program = (
        "import pathlib, sys\n"
        "from model_core.source_digest import source_digest\n"
        "print(source_digest(map(pathlib.Path, sys.argv[1:])))"
    )
    command = [python, "-c", program, *map(str, sources)]
    return subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def test_digest_is_the_same_for_every_version_of_python() -> None:
    """engine/modules.json is committed, and read by all of them."""
    sources = sorted(Path(keeping.__file__).parent.glob("*.py"))
    here = digest_by(sys.executable, *sources)
    names = [
        "python3",
        "/usr/bin/python3",
        *(f"python3.{minor}" for minor in range(11, 20)),
    ]
    pythons = {version_of(name): name for name in names}
    others = {
        version: name
        for version, name in pythons.items()
        if version not in ("", version_of(sys.executable))
    }
    if not others:
        pytest.skip("there is no other version of Python on this machine")
    assert {digest_by(name, *sources) for name in others.values()} == {here}


def version_of(python: str) -> str:
    """Return the version of a supported Python, or an empty string if this one cannot be run or is older."""
    program = (
        "import sys; print(sys.version_info[:2] if sys.version_info >= (3, 11) else '')"
    )
    try:
        done = subprocess.run(
            [python, "-c", program], check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def test_a_change_of_one_loop_leaves_the_others_valid(tmp_path: Path) -> None:
    """A module's directory depends on that module and on what it imports."""
    package = tmp_path / "loops"
    package.mkdir()
    (package / "__init__.py").write_text("OPTIONS = {}\n")
    (package / "shared.py").write_text("from loops import OPTIONS\n")
    (package / "one.py").write_text("from loops.shared import OPTIONS\n")
    (package / "two.py").write_text("from loops import shared\nimport loops.three\n")
    (package / "three.py").write_text("")
    names = {module: files_of(module, package) for module in ("one", "two")}
    assert names == {
        "one": ["__init__.py", "one.py", "shared.py"],
        "two": ["__init__.py", "shared.py", "three.py", "two.py"],
    }


def files_of(module: str, package: Path) -> list[str]:
    return [file.name for file in files_imported_by(module, package, package.name)]


@contextmanager
def without_memory_to_load(
    patch: pytest.MonkeyPatch, error: Exception
) -> Iterator[None]:
    """Loading compiled code meets this error."""

    def fail(*arguments: object) -> None:
        raise error

    with patch.context() as inner:
        inner.setattr(caching.FunctionCache, "load_overload", fail)
        yield


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOMEM, "no memory")])
def test_lack_of_memory_is_no_damage(
    directory: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """It is reported as such, since compiling takes more; a cache that all processes of
    this user share stays."""
    whole = kept(directory)
    with (
        without_memory_to_load(monkeypatch, error),
        pytest.raises(MemoryError, match="compiled code"),
    ):
        drawn()
    assert kept(directory) == whole
    assert drawn() == EXPECTED


def test_too_many_open_files_are_no_damage(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The function is compiled anew, and what is kept stays."""
    with without_memory_to_load(monkeypatch, OSError(errno.EMFILE, "too many")):
        assert drawn() == EXPECTED
    events = [record.message.partition(":")[0] for record in caplog.records]
    assert events == ["kept_code_not_read"]
    assert list(directory.iterdir()) == [keeping.directory_of("philox")]


def test_damaged_length_that_asks_for_all_memory_heals(directory: Path) -> None:
    """The index begins with a string of 2^62 bytes: that is damage."""
    (index,) = directory.rglob("*.nbi")
    damaged = b"\x80\x05\x8e" + (2**62).to_bytes(8, "little") + index.read_bytes()
    index.write_bytes(damaged)
    assert drawn() == EXPECTED
    assert index.read_bytes() != damaged
    assert keeping._is_well_formed(keeping.directory_of("philox"))


def aged(place: Path, days: float) -> None:
    """Date a directory and all that is in it so many days back."""
    then = time.time() - days * 24 * 3600
    for path in [*place.rglob("*"), place]:
        os.utime(path, (then, then))


def test_code_that_nobody_has_used_for_a_month_is_removed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of other versions of numba, processors and sources, once new code is kept. What a
    process has read since stays, and so does whatever is not ours."""
    monkeypatch.setattr(keeping, "_removed", [])
    ours = keeping.directory_of("philox")
    names = {
        directory.parent / "compiled-0123456789abcdef" / "ways-1": 31,
        directory.parent / "compiled-00000000deadbeef" / "ways-1": 29,
        directory.parent / "compiled-1111111111111111" / "ways-1": 400,
        directory.parent / "pictures" / "kept": 400,
        directory / "ways-old": 31,
        directory / "ways-new": 29,
        directory / "philox-1.damaged-2": 31,
    }
    for place, days in names.items():
        place.mkdir(parents=True)
        (place / "f.nbi").touch()
        aged(place.parent if place.parent != directory else place, days)
    read = directory.parent / "compiled-1111111111111111" / "ways-1" / "f.nbi"
    os.utime(read, (time.time(), 0))
    assert drawn() == EXPECTED
    assert all(place.exists() for place in names), "nothing new was kept"
    shutil.rmtree(ours)
    assert drawn() == EXPECTED
    assert {path.name for path in directory.parent.iterdir()} == {
        "compiled",
        "compiled-00000000deadbeef",
        "compiled-1111111111111111",
        "pictures",
    }
    assert {path.name for path in directory.iterdir()} == {ours.name, "ways-new"}


def test_use_of_kept_code_is_noted(directory: Path) -> None:
    """By whoever loads it, once a day, for file systems that note no reading."""
    ours = keeping.directory_of("philox")
    for place in (ours, directory):
        os.utime(place, (0, 0))
    assert drawn() == EXPECTED
    yesterday = time.time() - 24 * 3600
    assert ours.stat().st_mtime > yesterday
    assert directory.stat().st_mtime > yesterday
