"""Download data sets from their official addresses, and check them against their known
length and SHA-256."""

import hashlib
import json
import shutil
import tarfile
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from filelock import FileLock
from rich.console import Console
from rich.progress import DownloadColumn, Progress

from model_core.data.sources import RemoteFile, Source, Sources, read_sources
from model_core.errors import DataError

_TIMEOUT_S = 30.0
_CHUNK = 2**20
NOTE = "SOURCE.json"
"""File in a downloaded directory that records its content, source and licence."""


def download(directory: Path) -> None:
    """Download the data set that the directory is named after, unless the directory
    exists.

    Raises DataError for an unknown name, if the directory cannot be written, if no
    address answers, or if a file is not the published one.
    """
    if not directory.exists():
        fetch(directory.name, directory)


def fetch(name: str, directory: Path, sources: Sources | None = None) -> bool:
    """Download a data set into a directory that does not exist yet, and return True.
    Return False if this data set is there already. Waits if another process downloads
    it.

    name: a key of `sources`.
    sources: the known data sets. Default: `read_sources()`.

    Every file is checked against its known length and SHA-256; archives are unpacked. A
    file SOURCE.json in the directory says where it is from.

    Raises DataError, and leaves nothing behind, if that fails.
    """
    sources = sources or read_sources()
    if name not in sources:
        raise DataError(f"cannot fetch {name!r}: there is {', '.join(sorted(sources))}")
    source = sources[name]
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        # Another process may download the same data set at the same time.
        with FileLock(directory.parent / f".{directory.name}.lock"):
            if directory.exists():
                _expect_fetched(source, directory)
                return False
            _fetch_all(name, source, directory)
            return True
    except OSError as error:
        raise DataError(f"cannot write {directory}: {error.strerror}") from None


def _expect_fetched(source: Source, directory: Path) -> None:
    """Raise DataError unless the directory was downloaded from this source."""
    try:
        note = json.loads((directory / NOTE).read_text(encoding="utf-8"))
        digests = note["files"]
    except (OSError, ValueError, KeyError, TypeError):
        digests = None
    if digests != _digests(source):
        raise DataError(
            f"{directory} is there and was not fetched: remove it, or name another "
            "directory (--to)"
        )


def _digests(source: Source) -> dict[str, str]:
    return {file.name: file.sha256 for file in source.files}


def _fetch_all(name: str, source: Source, directory: Path) -> None:
    """Download all files into a draft beside the directory, and rename it when it is
    complete."""
    draft = directory.with_name(f".{directory.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        for file in source.files:
            _fetch(file, draft, directory)
        note = {
            "name": name,
            **source.model_dump(include={"title", "page", "licence"}),
            "files": _digests(source),
        }
        (draft / NOTE).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
        draft.rename(directory)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _fetch(file: RemoteFile, into: Path, directory: Path) -> None:
    """Download a file from the first of its addresses that has the published bytes, and
    unpack it if it is an archive. Raise DataError if none has.

    into: where to write it.
    directory: for the message, where a user may put the file.
    """
    path = into / file.name
    failures = []
    for url in file.urls:
        try:
            digest = _save(url, path, file.bytes)
        except (OSError, HTTPException) as error:
            failures.append(f"{url}: {error}")
            continue
        if digest == file.sha256:
            return _unpack(path)
        failures.append(
            f"{url}: its sha256 is {digest[:12]}..., not {file.sha256[:12]}..."
        )
    reasons = "; ".join(failures)
    raise DataError(
        f"cannot fetch {file.name} ({reasons}): get it by other means, and put it into "
        f"{directory}"
    )


def _save(url: str, path: Path, length: int) -> str:
    """Write the bytes at an address to a file, and return their SHA-256. Raise OSError
    unless there are exactly `length` bytes."""
    digest = hashlib.sha256()
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), DownloadColumn())
    with (
        urlopen(url, timeout=_TIMEOUT_S) as answer,
        path.open("wb") as file,
        Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        ) as progress,
    ):
        task = progress.add_task(path.name, total=length)
        while (chunk := answer.read(_CHUNK)) and file.tell() <= length:
            file.write(chunk)
            digest.update(chunk)
            progress.advance(task, len(chunk))
        received = file.tell()
        if received > length:
            raise OSError(f"received more than the expected {length} bytes")
        if received < length:
            raise OSError(f"received {received} bytes, expected {length}")
    return digest.hexdigest()


def _unpack(path: Path) -> None:
    """Extract a tar archive beside itself and delete it; do nothing for another
    file."""
    if ".tar" not in path.suffixes:
        return
    try:
        with tarfile.open(path) as archive:
            _extract(archive, path.parent.resolve())
    except (tarfile.TarError, OSError) as error:
        raise DataError(f"cannot unpack {path.name}: {error}") from None
    path.unlink()


def _extract(archive: tarfile.TarFile, into: Path) -> None:
    """Extract the regular files of an archive. Raise TarError for a path outside
    `into`."""
    # tarfile itself can check this from Python 3.11.4 on; the project supports
    # 3.11.0.
    for member in archive:
        target = (into / member.name).resolve()
        if not target.is_relative_to(into):
            raise tarfile.TarError(
                f"{member.name} would be written outside of its directory"
            )
        source = archive.extractfile(member) if member.isfile() else None
        if source is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            with source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
