"""Downloads, from a real server on this machine."""

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_core.data.download import NOTE, download, fetch
from model_core.data.sources import RemoteFile, Source, Sources, read_sources
from model_core.errors import DataError
from tests.data.serving import serving


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory and the address it is served at."""
    directory = tmp_path / "site"
    directory.mkdir()
    with serving(directory) as url:
        yield directory, url


def archive(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def remote(data: bytes, *urls: str) -> RemoteFile:
    return RemoteFile(
        urls=urls, bytes=len(data), sha256=hashlib.sha256(data).hexdigest()
    )


def source(*files: RemoteFile) -> Sources:
    return {
        "set": Source(
            title="a set", page="http://example.org", licence="free", files=files
        )
    }


def test_files_are_fetched_checked_and_unpacked(
    site: tuple[Path, str], tmp_path: Path
) -> None:
    """The first address that gives the right bytes is enough; a second call fetches nothing."""
    directory, url = site
    packed = archive("batches/one.bin", b"pixels")
    (directory / "set.tar.gz").write_bytes(packed)
    (directory / "plain.gz").write_bytes(b"plain")
    (directory / "wrong.gz").write_bytes(b"other")
    known = source(
        remote(packed, f"{url}/set.tar.gz"),
        remote(b"plain", f"{url}/missing.gz", f"{url}/wrong.gz", f"{url}/plain.gz"),
    )
    target = tmp_path / "data" / "set"
    assert fetch("set", target, known)
    assert (target / "batches" / "one.bin").read_bytes() == b"pixels"
    assert (target / "missing.gz").read_bytes() == b"plain"
    assert sorted(path.name for path in target.iterdir()) == [
        NOTE,
        "batches",
        "missing.gz",
    ]
    assert json.loads((target / NOTE).read_text())["licence"] == "free"
    shutil.rmtree(directory)
    assert not fetch("set", target, known)
    with pytest.raises(DataError, match="was not fetched: remove it"):
        fetch("set", target, source(remote(b"of a later version", f"{url}/plain.gz")))


@pytest.mark.parametrize(
    ("came", "complaint"),
    [
        (b"published?", r"its sha256 is [0-9a-f]{12}"),
        (b"short", "received 5 bytes, expected 10"),
        (b"much too long", "received more than the expected 10 bytes"),
    ],
)
def test_nothing_is_kept_when_the_bytes_are_not_the_published_ones(
    site: tuple[Path, str], tmp_path: Path, came: bytes, complaint: str
) -> None:
    """Length and digest decide, and nothing is left behind."""
    directory, url = site
    (directory / "a.gz").write_bytes(came)
    with pytest.raises(DataError, match=complaint):
        fetch("set", tmp_path / "set", source(remote(b"published!", f"{url}/a.gz")))
    assert [path.name for path in tmp_path.iterdir() if "set" in path.name] == [
        ".set.lock"
    ]


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    """A directory that was not fetched from here stays as it is."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.png").write_bytes(b"mine")
    with pytest.raises(
        DataError, match="is there and was not fetched: remove it, or name another"
    ):
        fetch("set", tmp_path / "set", source(remote(b"", "http://127.0.0.1:9/a.gz")))
    assert (tmp_path / "set" / "mine.png").read_bytes() == b"mine"


def test_it_says_what_to_do_when_there_is_no_network(tmp_path: Path) -> None:
    """The address, the reason, and where to put the file."""
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9.*put it into .*set"):
        fetch("set", tmp_path / "set", source(remote(b"", "http://127.0.0.1:9/a.gz")))


def test_an_archive_cannot_write_outside_its_directory(
    site: tuple[Path, str], tmp_path: Path
) -> None:
    """Paths that lead out are refused."""
    directory, url = site
    packed = archive("../../evil", b"x")
    (directory / "set.tar.gz").write_bytes(packed)
    with pytest.raises(DataError, match="cannot unpack"):
        fetch("set", tmp_path / "set", source(remote(packed, f"{url}/set.tar.gz")))
    assert not (tmp_path.parent / "evil").exists()
    assert not (tmp_path / "evil").exists()


def test_a_recipe_fetches_what_its_path_is_named_after(
    site: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is nothing yet; what is there may be anybody's. The list may be the user's own."""
    directory, url = site
    (directory / "a.bin").write_bytes(b"pixels")
    monkeypatch.setenv(
        "PIXELRNN_DATA_SOURCES", str(listed(tmp_path, f"{url}/a.bin", b"pixels"))
    )
    download(tmp_path / "small")
    download(tmp_path / "small")
    assert (tmp_path / "small" / "a.bin").read_bytes() == b"pixels"
    download(tmp_path)
    with pytest.raises(DataError, match="cannot fetch 'imagenet': there is small"):
        download(tmp_path / "imagenet")


def listed(directory: Path, url: str, data: bytes) -> Path:
    path = directory / "sources.toml"
    about = 'title = "a small set"\npage = "http://example.org"\nlicence = "free"\n'
    file = f'urls = ["{url}"]\nbytes = {len(data)}\nsha256 = "{hashlib.sha256(data).hexdigest()}"\n'
    path.write_text(f"[small]\n{about}[[small.files]]\n{file}")
    return path


def pixelrnn(
    directory: Path, *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "pixelrnn", "data", *arguments]
    return subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=60
    )


def test_verb_fetches_into_a_folder_of_that_name(
    site: tuple[Path, str], tmp_path: Path
) -> None:
    """`pixelrnn data fetch NAME`: data/NAME, or where it is told; again it says that all is there, and what is wrong is
    one line and exit code 2."""
    directory, url = site
    (directory / "a.bin").write_bytes(b"pixels")
    sources = "--sources", listed(tmp_path, f"{url}/a.bin", b"pixels")
    assert "small: a small set" in pixelrnn(tmp_path, "list", *sources).stdout
    for said in (
        "fetched data/small: a small set; licence: free",
        "already there: data/small",
    ):
        result = pixelrnn(tmp_path, "fetch", "small", *sources)
        assert (result.returncode, said in result.stderr) == (0, True)
    assert (tmp_path / "data" / "small" / "a.bin").read_bytes() == b"pixels"
    (directory / "a.bin").write_bytes(b"PIXELS")
    for arguments, complaint in (
        (("fetch", "small", "--to", "other", *sources), "its sha256 is"),
        (("fetch", "large", *sources), "there is small"),
        (("fetch", "small", "--sources", directory / "a.bin"), "is not TOML"),
    ):
        result = pixelrnn(tmp_path, *arguments)
        (line,) = result.stderr.splitlines()
        assert (result.returncode, complaint in line) == (2, True), line


def test_known_data_sets_are_whole() -> None:
    """Each has addresses, a length, a digest, and says where it is described and on what terms it is given."""
    known = read_sources()
    assert known.keys() == {"mnist", "binarized-mnist", "cifar10"}
    assert {name: found.bytes for name, found in known.items()} == {
        "mnist": 11_594_722,
        "binarized-mnist": 109_760_000,
        "cifar10": 170_052_171,
    }
    for found in known.values():
        assert all(url.startswith("http") for file in found.files for url in file.urls)
        assert found.licence
        assert found.page.startswith("http")
