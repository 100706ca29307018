"""Fetching a data set from its official address, checked against its known length and digest."""

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
"""File in a fetched directory that says what it holds, where that is from, and on what terms."""


def download(directory: Path) -> None:
    """Make a directory that is named after a known data set hold its files, unless there is something already.

    Raises DataError for an unknown name, and as `fetch` does.
    """
    if not directory.exists():
        fetch(directory.name, directory)


def fetch(name: str, directory: Path, sources: Sources | None = None) -> bool:
    """Fetch a data set into a directory that does not exist yet; False when it is there already, whole.

    Raises DataError for an unknown name, for a directory that holds anything else, when no address answers, or when
    what came is not what was published; then nothing is left behind.
    """
    sources = sources or read_sources()
    if name not in sources:
        raise DataError(f"cannot fetch {name!r}: there is {', '.join(sorted(sources))}")
    source = sources[name]
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(directory.parent / f".{directory.name}.lock"):
            if directory.exists():
                _expect_fetched(source, directory)
                return False
            _fetch_all(name, source, directory)
            return True
    except OSError as error:
        raise DataError(f"cannot write {directory}: {error.strerror}") from None


def _expect_fetched(source: Source, directory: Path) -> None:
    try:
        noted = json.loads((directory / NOTE).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        noted = None
    if noted != _digests(source):
        raise DataError(
            f"{directory} is there and was not fetched: remove it, or name another directory (--to)"
        )


def _digests(source: Source) -> dict[str, str]:
    return {file.name: file.sha256 for file in source.files}


def _fetch_all(name: str, source: Source, directory: Path) -> None:
    """Into a draft beside the directory, which takes its name once it is whole."""
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
        f"cannot fetch {file.name} ({reasons}): get it by other means, and put it into {directory}"
    )


def _save(url: str, path: Path, length: int) -> str:
    """Write what an address gives to a file; returns its sha256. OSError when it gives another number of bytes."""
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
        if file.tell() != length:
            came = "more" if file.tell() > length else f"only {file.tell()}"
            raise OSError(f"{came} came, and not {length} bytes")
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
            raise tarfile.TarError(
                f"{member.name} would be written outside of its directory"
            )
        source = archive.extractfile(member) if member.isfile() else None
        if source is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            with source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
