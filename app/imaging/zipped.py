"""Pictures that come in a zip: its files in their order, taken out within limits."""

import io
import zipfile
import zlib
from collections.abc import Iterator

from app.errors import BadUploadError, TooLargeError
from app.imaging.decode import Role

BEGINNING = b"PK\3\4"
_METHODS = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
"""Python unpacks the others without a limit: a few hundred bytes of bzip2 become gigabytes."""
_MOST_ENTRIES = 256
"""Folders and what is hidden count here too."""
BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    NotImplementedError,
)
"""Errors of zipfile at broken data, and at what is encrypted."""


def files_in(data: bytes, role: Role, limit: int) -> list[bytes]:
    """The files of a zip, without folders and hidden ones; another file is itself.

    Raises BadUploadError for a zip that cannot be read, TooLargeError for more than `limit` bytes in all of them.
    """
    if not data.startswith(BEGINNING):
        return [data]
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return list(_contents(archive, role, limit))
    except BROKEN_ZIP:
        raise BadUploadError(f"the {role} is a zip that cannot be read") from None


def is_file(entry: zipfile.ZipInfo) -> bool:
    """False for folders and what is hidden. Raises BadUploadError for a file that cannot be unpacked within limits."""
    if entry.is_dir() or any(
        part.startswith((".", "__MACOSX")) for part in entry.filename.split("/")
    ):
        return False
    if entry.compress_type not in _METHODS:
        raise BadUploadError(
            "a file in the zip is packed in a way that is not taken: expected stored or deflated"
        )
    return True


def _contents(archive: zipfile.ZipFile, role: Role, limit: int) -> Iterator[bytes]:
    """The contents of each file, as far as they may be: the length that an entry says is not believed."""
    entries, left = archive.infolist(), limit
    if len(entries) > _MOST_ENTRIES:
        raise TooLargeError(f"the {role} is a zip of more than {_MOST_ENTRIES} entries")
    for entry in entries:
        if not is_file(entry):
            continue
        with archive.open(entry) as file:
            content = file.read(left + 1)
        left -= len(content)
        if left < 0:
            raise TooLargeError(
                f"the files in the {role} have too many bytes; at most {limit} are taken"
            )
        yield content
