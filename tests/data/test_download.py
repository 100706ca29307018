"""Downloads, from a real server on this machine."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from model_core.data.download import SOURCES, RemoteFile, download
from model_core.errors import DataError


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory and the address it is served at."""
    directory = tmp_path / "site"
    directory.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield directory, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def archive(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def remote(data: bytes, *urls: str) -> RemoteFile:
    return RemoteFile(urls, hashlib.sha256(data).hexdigest())


def test_files_are_fetched_checked_and_unpacked(site: tuple[Path, str], tmp_path: Path) -> None:
    """The first address that gives the right bytes is enough; a second call fetches nothing."""
    directory, url = site
    packed = archive("batches/one.bin", b"pixels")
    (directory / "set.tar.gz").write_bytes(packed)
    (directory / "plain.gz").write_bytes(b"plain")
    (directory / "wrong.gz").write_bytes(b"other")
    sources = {
        "set": (
            remote(packed, f"{url}/set.tar.gz"),
            remote(b"plain", f"{url}/missing.gz", f"{url}/wrong.gz", f"{url}/plain.gz"),
        )
    }
    target = tmp_path / "data" / "set"
    download(target, sources)
    assert (target / "batches" / "one.bin").read_bytes() == b"pixels"
    assert (target / "missing.gz").read_bytes() == b"plain"
    assert sorted(path.name for path in target.iterdir()) == ["batches", "missing.gz"]
    download(target, {"set": (remote(b"", "http://127.0.0.1:9/never"),)})


def test_a_download_is_refused_when_the_bytes_are_not_the_published_ones(
    site: tuple[Path, str], tmp_path: Path
) -> None:
    """The digest decides, and nothing is left behind."""
    directory, url = site
    (directory / "a.gz").write_bytes(b"changed")
    with pytest.raises(DataError, match=r"a\.gz: its sha256 is [0-9a-f]{12}"):
        download(tmp_path / "set", {"set": (remote(b"published", f"{url}/a.gz"),)})
    assert [path.name for path in tmp_path.iterdir() if "set" in path.name] == [".set.lock"]


def test_a_download_says_what_to_do_when_there_is_no_network(tmp_path: Path) -> None:
    """The address, the reason, and where to put the file."""
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9.*put it into .*set"):
        download(tmp_path / "set", {"set": (remote(b"", "http://127.0.0.1:9/a.gz"),)})


def test_an_archive_cannot_write_outside_its_directory(site: tuple[Path, str], tmp_path: Path) -> None:
    """Paths that lead out are refused."""
    directory, url = site
    packed = archive("../../evil", b"x")
    (directory / "set.tar.gz").write_bytes(packed)
    with pytest.raises(DataError, match="cannot unpack"):
        download(tmp_path / "set", {"set": (remote(packed, f"{url}/set.tar.gz"),)})
    assert not (tmp_path.parent / "evil").exists()
    assert not (tmp_path / "evil").exists()


def test_a_download_is_refused_when_the_name_is_unknown(tmp_path: Path) -> None:
    """The names that work are listed, and each has official addresses and digests."""
    with pytest.raises(DataError, match="cifar10 or mnist"):
        download(tmp_path / "imagenet")
    for files in SOURCES.values():
        assert all(len(file.sha256) == 64 and file.urls for file in files)
