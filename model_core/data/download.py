"""Fetching a data set from its official address, checked against its known digest."""

import hashlib
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from filelock import FileLock
from rich.console import Console
from rich.progress import DownloadColumn, Progress

from model_core.errors import DataError

_TIMEOUT_S = 30.0
_CHUNK = 2**20


@dataclass(frozen=True)
class RemoteFile:
    """A file by its addresses, tried in order, and its digest; a tar archive is unpacked."""

    urls: tuple[str, ...]
    sha256: str

    @property
    def name(self) -> str:
        return self.urls[0].rpartition("/")[2]


def _mnist(name: str, sha256: str) -> RemoteFile:
    # The first address is the authors' own, which often refuses programs; the second is the mirror of torchvision.
    places = ("http://yann.lecun.com/exdb/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/")
    return RemoteFile(tuple(f"{place}{name}" for place in places), sha256)


SOURCES: Mapping[str, tuple[RemoteFile, ...]] = {
    "cifar10": (
        RemoteFile(
            ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    ),
    "mnist": (
        _mnist("train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        _mnist("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    ),
}


def download(directory: Path, sources: Mapping[str, tuple[RemoteFile, ...]] = SOURCES) -> None:
    """Make a directory named after a known data set hold its files; nothing happens when it is there already.

    Raises DataError for an unknown name, when no address answers, or when what came is not what was published; then
    nothing is left behind.
    """
    if directory.name not in sources:
        raise DataError(f"cannot download {directory.name!r}: name the directory {' or '.join(sorted(sources))}")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(directory.parent / f".{directory.name}.lock"):
        if directory.exists():
            return
        draft = directory.with_name(f".{directory.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        try:
            for file in sources[directory.name]:
                _fetch(file, draft, directory)
            draft.rename(directory)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _fetch(file: RemoteFile, into: Path, directory: Path) -> None:
    path = into / file.name
    failures = []
    for url in file.urls:
        try:
            digest = _save(url, path)
        except (OSError, HTTPException) as error:
            failures.append(f"{url}: {error}")
            continue
        if digest == file.sha256:
            return _unpack(path)
        failures.append(f"{url}: its sha256 is {digest[:12]}..., not {file.sha256[:12]}...")
    reasons = "; ".join(failures)
    raise DataError(f"cannot download {file.name} ({reasons}): fetch it by other means and put it into {directory}")


def _save(url: str, path: Path) -> str:
    """Write what an address gives to a file; returns its sha256."""
    digest = hashlib.sha256()
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), DownloadColumn())
    with (
        urlopen(url, timeout=_TIMEOUT_S) as answer,
        path.open("wb") as file,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task(path.name, total=int(answer.headers.get("Content-Length") or 0) or None)
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            digest.update(chunk)
            progress.advance(task, len(chunk))
    return digest.hexdigest()


def _unpack(path: Path) -> None:
    if ".tar" not in path.suffixes:
        return
    try:
        with tarfile.open(path) as archive:
            _extract(archive, path.parent.resolve())
    except (tarfile.TarError, OSError) as error:
        raise DataError(f"cannot unpack {path.name}: {error}") from None
    path.unlink()


def _extract(archive: tarfile.TarFile, into: Path) -> None:
    """Plain files, and none outside `into`. tarfile has a filter for that from Python 3.11.4 on; we run on 3.11.0."""
    for member in archive:
        target = (into / member.name).resolve()
        if not target.is_relative_to(into):
            raise tarfile.TarError(f"{member.name} would be written outside of its directory")
        source = archive.extractfile(member) if member.isfile() else None
        if source is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            with source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
