"""Zip files of clients: the only place where the service opens a foreign archive.

An archive is checked before any content is read: first its end record, then every entry
of its directory (name, kind, method, declared size) and every local header, so that
names are unique and no two entries share bytes. The content of an entry is then
unpacked in blocks, and never becomes longer than its declared size. The format is that
of PKWARE's APPNOTE 6.3.10, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.16
(end record) and 4.5.3 (ZIP64 field).
"""

import io
import stat
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from app.errors import BadUploadError, TooLargeError, UnusableImageError
from app.imaging.decode import Role

BEGINNING = b"PK\3\4"
"""The first bytes of a zip that has an entry."""
MAX_DRAWING_ENTRIES = 256
"""Most entries of all zips of a call that draws, folders and hidden files included."""
_MAX_DIRECTORY = 4 * 2**20
"""Most bytes of a zip's directory, which is held in memory."""
_MAX_NAME = 255
"""Most bytes of a name: the longest one that a file can have on Linux."""
_MAX_PARTS = 8
"""Most parts of a name: folders and the file."""
_STORED, _DEFLATED = 0, 8
"""The supported methods. Only zlib unpacks within a limit: with bzip2 and LZMA, Python
holds the whole output of a block of input, gigabytes for a few hundred bytes."""
_ENCRYPTED = 0x1 | 0x20 | 0x40 | 0x2000
"""Flags of content that is encrypted or a patch to other data."""
_UTF8 = 0x800
_ZIP64 = 1
_UNKNOWN_32 = 0xFFFFFFFF
"""Value of a 32-bit field whose number is in the ZIP64 field."""
_BLOCK = 2**16
"""Bytes that are read, or unpacked, at once."""

_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\5\6"
_MAX_COMMENT = 0xFFFF
_LOCATOR_SIGNATURE, _LOCATOR_SIZE = b"PK\6\7", 20
"""Of the record before the end record that points to a ZIP64 end record."""
_DIRECTORY = struct.Struct("<4s6H3L5H2L")
_DIRECTORY_SIGNATURE = b"PK\1\2"
_LOCAL = struct.Struct("<4s5H3L2H")


class DamagedZipError(Exception):
    """The zip is cut off, encrypted, or contradicts itself."""


class TooMuchInZipError(Exception):
    """The zip has more entries or bytes than may be unpacked for this request."""


@dataclass
class Allowance:
    """What may still be unpacked for one request, from all of its zips together."""

    entries: int
    size: int
    """Unpacked bytes."""


@dataclass(frozen=True)
class Entry:
    """A file in a zip."""

    path: tuple[str, ...]
    """Folders from the outermost to the innermost, then the file's name."""
    size: int
    """Unpacked bytes, as declared; the content has exactly this length."""
    start: int
    """Offset of its packed bytes in the zip."""
    packed: int
    """Number of packed bytes."""
    is_deflated: bool
    """True if it is compressed, False if it is stored."""
    checksum: int
    """CRC-32 of the content."""


@dataclass(frozen=True)
class _Record:
    """An entry as the directory describes it: a file, a folder, or a hidden one."""

    raw_name: bytes
    path: tuple[str, ...]
    is_file: bool
    method: int
    is_encrypted: bool
    checksum: int
    packed: int
    size: int
    offset: int
    """Offset of its local header."""


class Archive:
    """A zip whose directory has been checked. `files` lists its entries without folders
    and hidden files, such as those of __MACOSX."""

    def __init__(self, file: BinaryIO, allowance: Allowance) -> None:
        """Read the directory of `file`, and subtract its entries and the declared sizes
        of its files from the allowance.

        Raises DamagedZipError, TooMuchInZipError, UnusableImageError for an unsupported
        name or kind of entry, and BadUploadError for an unsupported method.
        """
        self._file = file
        directory, offset, count = _directory_of(file, allowance)
        records = _records(directory, offset, count)
        starts = _starts(file, records, offset)
        self.files = [
            _entry(record, start)
            for record, start in zip(records, starts, strict=True)
            if record.is_file
        ]
        size = sum(entry.size for entry in self.files)
        if size > allowance.size:
            raise TooMuchInZipError
        allowance.entries -= count
        allowance.size -= size

    def blocks(self, entry: Entry) -> Iterator[bytes]:
        """Yield the content of a file in blocks of at most 64 KiB. Raises
        DamagedZipError if it differs from what the directory declares."""
        left = entry.size
        checksum = 0
        parts = self._inflated(entry) if entry.is_deflated else self._packed(entry)
        try:
            for block in parts:
                left -= len(block)
                if left < 0:
                    raise DamagedZipError
                checksum = zlib.crc32(block, checksum)
                yield block
        except zlib.error:
            raise DamagedZipError from None
        if left or checksum != entry.checksum:
            raise DamagedZipError

    def _packed(self, entry: Entry) -> Iterator[bytes]:
        """Yield the packed bytes of a file."""
        at = entry.start
        end = entry.start + entry.packed
        while at < end:
            self._file.seek(at)
            block = self._file.read(min(_BLOCK, end - at))
            if not block:
                raise DamagedZipError
            at += len(block)
            yield block

    def _inflated(self, entry: Entry) -> Iterator[bytes]:
        """Yield the unpacked bytes of a deflated file."""
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        for packed in self._packed(entry):
            while packed and not inflater.eof:
                yield inflater.decompress(packed, _BLOCK)
                packed = inflater.unconsumed_tail
        # Output may remain after the last input has been consumed.
        while not inflater.eof:
            block = inflater.decompress(b"", _BLOCK)
            if not block:
                raise DamagedZipError
            yield block


def files_in(
    sent: Sequence[bytes],
    role: Role,
    limit: int,
    allowance: Allowance,
    reserve: Callable[[int], None],
) -> list[bytes]:
    """Return the uploads of one field, in which each zip is replaced by its files.

    role: what messages call the uploads.
    limit: most unpacked bytes of one zip.
    allowance: what may still be unpacked for the whole request; it is reduced.
    reserve: called with the unpacked bytes of a zip before they are read into memory;
        it raises RefusedError if there is no room.

    Raises BadUploadError for a zip that cannot be read, TooLargeError for one with too
    many entries or bytes.
    """
    files: list[bytes] = []
    for data in sent:
        if data.startswith(BEGINNING):
            files += _unzipped(data, role, limit, allowance, reserve)
        else:
            files.append(data)
    return files


def _unzipped(
    data: bytes,
    role: Role,
    limit: int,
    allowance: Allowance,
    reserve: Callable[[int], None],
) -> list[bytes]:
    try:
        archive = Archive(io.BytesIO(data), allowance)
        size = sum(entry.size for entry in archive.files)
        if size > limit:
            raise TooMuchInZipError
        reserve(size)
        return [b"".join(archive.blocks(entry)) for entry in archive.files]
    except DamagedZipError:
        raise BadUploadError(f"the {role} is a zip that cannot be read") from None
    except TooMuchInZipError:
        raise TooLargeError(
            f"the files in the {role} have too many bytes or entries: expected at most "
            f"{limit} bytes, and {MAX_DRAWING_ENTRIES} entries in all zips together"
        ) from None


def _directory_of(file: BinaryIO, allowance: Allowance) -> tuple[bytes, int, int]:
    """Return the bytes of a zip's directory, their offset, and the number of entries
    that the end record states."""
    length = file.seek(0, io.SEEK_END)
    tail_start = max(0, length - _END.size - _MAX_COMMENT)
    file.seek(tail_start)
    tail = file.read(length - tail_start)
    at = tail.rfind(_END_SIGNATURE)
    if at < 0 or len(tail) < at + _END.size:
        raise DamagedZipError
    _, disk, first_disk, _, count, size, offset, _ = _END.unpack_from(tail, at)
    is_zip64 = tail[max(0, at - _LOCATOR_SIZE) :].startswith(_LOCATOR_SIGNATURE)
    if is_zip64 or _UNKNOWN_32 in (size, offset):
        raise UnusableImageError(
            "the zip has a ZIP64 end record: expected fewer than 65,535 entries, and"
            " less than 4 GiB"
        )
    if count > allowance.entries:
        raise TooMuchInZipError
    if size > _MAX_DIRECTORY:
        raise UnusableImageError(
            f"the zip's directory has more than {_MAX_DIRECTORY} bytes: expected"
            " shorter names, or fewer files"
        )
    if disk or first_disk or offset + size != tail_start + at:
        raise DamagedZipError
    file.seek(offset)
    return file.read(size), offset, count


def _records(directory: bytes, end: int, count: int) -> list[_Record]:
    """Parse all entries of a directory, which must be `count` entries with different
    names.

    end: offset of the directory, before which all content lies.
    """
    records = []
    at = 0
    for _ in range(count):
        record, at = _record(directory, at)
        if record.offset + _LOCAL.size > end:
            raise DamagedZipError
        records.append(record)
    if at != len(directory):
        raise DamagedZipError
    if len({record.path for record in records}) < count:
        raise UnusableImageError("two entries of the zip have the same name")
    return records


def _record(directory: bytes, at: int) -> tuple[_Record, int]:
    """Parse the directory's entry at an offset; return it, and the offset after it."""
    if len(directory) < at + _DIRECTORY.size:
        raise DamagedZipError
    fields = _DIRECTORY.unpack_from(directory, at)
    signature, _, _, flags, method, _, _, checksum, packed, size = fields[:10]
    name_length, extra_length, comment_length, disk, _, mode, offset = fields[10:]
    name_end = at + _DIRECTORY.size + name_length
    extra_end = name_end + extra_length
    next_at = extra_end + comment_length
    if signature != _DIRECTORY_SIGNATURE or disk or next_at > len(directory):
        raise DamagedZipError
    raw_name = directory[at + _DIRECTORY.size : name_end]
    path, is_folder = _path_of(raw_name, is_utf8=bool(flags & _UTF8))
    if stat.S_ISLNK(mode >> 16):
        raise UnusableImageError(
            "the zip holds a link: expected only files and folders"
        )
    extra = directory[name_end:extra_end]
    size, packed, offset = _with_zip64(size, packed, offset, extra)
    is_hidden = any(part.startswith((".", "__MACOSX")) for part in path)
    record = _Record(
        raw_name,
        path,
        not is_folder and not is_hidden,
        method,
        bool(flags & _ENCRYPTED),
        checksum,
        packed,
        size,
        offset,
    )
    return record, next_at


def _path_of(raw_name: bytes, is_utf8: bool) -> tuple[tuple[str, ...], bool]:
    """Return the parts of a name, and whether it is a folder's. Raises
    UnusableImageError for a name that is too long or leads out of the zip."""
    if not 0 < len(raw_name) <= _MAX_NAME:
        raise UnusableImageError(
            f"a name in the zip is too long: expected 1 to {_MAX_NAME} bytes"
        )
    try:
        name = raw_name.decode("utf-8" if is_utf8 else "cp437")
    except UnicodeDecodeError:
        raise DamagedZipError from None
    parts = name.split("/")
    if parts[0] == "" or "\\" in name or "\0" in name or ".." in parts:
        raise UnusableImageError(
            "a name in the zip leads out of it: expected names such as cats/1.png"
        )
    path = tuple(part for part in parts if part)
    if len(path) > _MAX_PARTS:
        raise UnusableImageError(
            f"a name in the zip has too many folders: expected at most {_MAX_PARTS} "
            "parts between slashes"
        )
    return path, name.endswith("/")


def _with_zip64(
    size: int, packed: int, offset: int, extra: bytes
) -> tuple[int, int, int]:
    """Replace those numbers that are in the ZIP64 field of an entry's extra fields."""
    numbers = [size, packed, offset]
    wide = [i for i, number in enumerate(numbers) if number == _UNKNOWN_32]
    at = 0
    while wide and at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        at += 4
        if kind == _ZIP64 and 8 * len(wide) <= length <= len(extra) - at:
            found = struct.unpack_from(f"<{len(wide)}Q", extra, at)
            for i, number in zip(wide, found, strict=True):
                numbers[i] = number
            break
        at += length
    return numbers[0], numbers[1], numbers[2]


def _starts(file: BinaryIO, records: Sequence[_Record], end: int) -> list[int]:
    """Return the offset of each entry's packed bytes, from its local header.

    end: offset of the directory.

    Raises DamagedZipError if a header names another file than the directory, or if two
    entries overlap each other or the directory.
    """
    starts = [0] * len(records)
    limit = end
    by_offset = sorted(range(len(records)), key=lambda i: records[i].offset)
    for i in reversed(by_offset):
        record = records[i]
        file.seek(record.offset)
        header = file.read(_LOCAL.size + len(record.raw_name))
        if len(header) < _LOCAL.size or not header.startswith(BEGINNING):
            raise DamagedZipError
        *_, name_length, extra_length = _LOCAL.unpack_from(header)
        is_same = name_length == len(record.raw_name)
        if not is_same or header[_LOCAL.size :] != record.raw_name:
            raise DamagedZipError
        starts[i] = record.offset + len(header) + extra_length
        if starts[i] + record.packed > limit:
            raise DamagedZipError
        limit = record.offset
    return starts


def _entry(record: _Record, start: int) -> Entry:
    """Return a file that can be unpacked. Raises BadUploadError for an unsupported
    method."""
    if record.is_encrypted:
        raise DamagedZipError
    if record.method not in (_STORED, _DEFLATED):
        raise BadUploadError(
            "a file in the zip is packed in an unsupported way: expected stored or "
            "deflated"
        )
    is_deflated = record.method == _DEFLATED
    if not is_deflated and record.packed != record.size:
        raise DamagedZipError
    return Entry(
        record.path, record.size, start, record.packed, is_deflated, record.checksum
    )
