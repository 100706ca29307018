"""Compiled code that is kept on disk: what damage does to it, and what it does not do."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from numba import njit

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
