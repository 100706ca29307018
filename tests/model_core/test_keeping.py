"""Compiled code that is kept on disk: what damage does to it, and what it does not do."""

import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from model_core.compiled import keeping
from model_core.compiled.philox import fill_uniform


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
        patch.setattr(keeping, "directory", tmp_path_factory.mktemp("kept") / "compiled")
        assert drawn() == EXPECTED
        return keeping.directory


@pytest.fixture
def directory(kept_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the function is kept, and has been kept once."""
    directory = tmp_path / "cache" / "compiled"
    shutil.copytree(kept_once, directory)
    monkeypatch.setattr(keeping, "directory", directory)
    monkeypatch.setattr(keeping, "_noted", set())
    return directory


def kept(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if path.suffix in (".nbi", ".nbc")}


def cut(pattern: str, length: int) -> Callable[[Path], None]:
    def do(directory: Path) -> None:
        for path in directory.glob(pattern):
            os.truncate(path, length)

    return do


def garbage(directory: Path) -> None:
    for path in directory.glob("*.nb?"):
        path.write_bytes(bytes(1000))


def unreadable(directory: Path) -> None:
    """A directory where the file should be."""
    for path in directory.glob("*.nbi"):
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize(
    "damage",
    [cut("*.nbi", 20), cut("*.nbc", 1000), garbage, unreadable],
    ids=["cut index", "cut code", "garbage", "unreadable"],
)
def test_damage_heals(directory: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture) -> None:
    """The function is compiled anew, kept anew, and this is logged once; nothing else is left."""
    whole = kept(directory)
    damage(directory)
    assert [drawn(), drawn()] == [EXPECTED] * 2
    assert [record.message.partition(":")[0] for record in caplog.records] == ["kept_code_damaged"]
    assert kept(directory) == whole
    assert list(directory.parent.iterdir()) == [directory]
    keeping.note_kept("loops")
    assert keeping.is_kept("loops")


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
    directory: Path, trouble: Callable[[Path], AbstractContextManager[None]], caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, and nobody is told that it was kept."""
    shutil.rmtree(directory)
    with trouble(directory):
        assert [drawn(), drawn()] == [EXPECTED] * 2
        keeping.note_kept("loops")
    events = [record.message.partition(":")[0] for record in caplog.records]
    assert "code_not_kept" in events
    assert len(events) == len(set(events))
    assert not keeping.is_kept("loops")


def test_compiled_code_is_kept_where_only_its_owner_can_write(tmp_path: Path) -> None:
    """Cached machine code is run as it is found, so a directory of someone else's is not used."""
    assert keeping._is_ours(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
    (tmp_path / "file").write_text("")
    assert not keeping._is_ours(tmp_path / "file" / "under")
