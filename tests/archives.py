"""Zip files byte by byte, also such as no program writes, for tests of uploads."""

import bz2
import io
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

STORED, DEFLATED, BZIP2, LZMA = 0, 8, 12, 14
METHODS = (STORED, 1, 6, DEFLATED, 9, 10, BZIP2, LZMA, 93, 95, 98, 99)
"""Numbers of methods in the registry of PKWARE's APPNOTE, section 4.4.5."""
LINK = 0o120777 << 16
"""External attributes of a symbolic link."""


@dataclass(frozen=True)
class Member:
    """An entry. What is None is derived from the other fields."""

    name: bytes
    data: bytes = b""
    method: int = DEFLATED
    packed: bytes | None = None
    size: int | None = None
    packed_size: int | None = None
    checksum: int | None = None
    flags: int = 0x800
    attributes: int = 0
    local_name: bytes | None = None
    local_extra: bytes = b""
    extra: bytes = b""
    offset: int | None = None
    """Offset of the local header that the directory names."""


def raw_zip(
    members: Sequence[Member],
    count: int | None = None,
    comment: bytes = b"",
    before_end: bytes = b"",
    directory_size: int | None = None,
) -> bytes:
    """Return a zip. count, directory_size: what the end record says of the directory;
    before_end: bytes between the directory and the end record."""
    content = bytearray()
    directory = bytearray()
    for member in members:
        packed = packed_of(member) if member.packed is None else member.packed
        size = len(member.data) if member.size is None else member.size
        length = len(packed) if member.packed_size is None else member.packed_size
        checksum = zlib.crc32(member.data)
        if member.checksum is not None:
            checksum = member.checksum
        numbers = checksum, length, size
        offset = len(content) if member.offset is None else member.offset
        local_name = member.name if member.local_name is None else member.local_name
        kind = 20, member.flags, member.method, 0, 33
        content += struct.pack(
            "<4s5H3L2H",
            b"PK\3\4",
            *kind,
            *numbers,
            len(local_name),
            len(member.local_extra),
        )
        content += local_name + member.local_extra + packed
        directory += struct.pack(
            "<4s6H3L5H2L",
            b"PK\1\2",
            20,
            *kind,
            *numbers,
            len(member.name),
            len(member.extra),
            0,
            0,
            0,
            member.attributes,
            offset,
        )
        directory += member.name + member.extra
    entries = len(members) if count is None else count
    size = len(directory) if directory_size is None else directory_size
    end = struct.pack(
        "<4s4H2LH",
        b"PK\5\6",
        0,
        0,
        entries & 0xFFFF,
        entries & 0xFFFF,
        size,
        len(content),
        len(comment),
    )
    return bytes(content + directory + before_end + end + comment)


def packed_of(member: Member) -> bytes:
    """Pack the data of a member by its method; as it is by one that is unknown here."""
    if member.method == DEFLATED:
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        return packer.compress(member.data) + packer.flush()
    if member.method == BZIP2:
        return bz2.compress(member.data)
    if member.method == LZMA:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
            archive.writestr("x", member.data)
        with zipfile.ZipFile(file) as archive:
            entry = archive.infolist()[0]
        start = entry.header_offset + 30 + len("x")
        return file.getvalue()[start : start + entry.compress_size]
    return member.data


def zipped(files: dict[str, bytes], method: int = DEFLATED) -> bytes:
    return raw_zip(
        [Member(name.encode(), data, method) for name, data in files.items()]
    )


def npy(array: npt.ArrayLike) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(array))
    return file.getvalue()


def npz(**arrays: npt.ArrayLike) -> bytes:
    """Return an archive as numpy.savez writes it."""
    file = io.BytesIO()
    np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]
    return file.getvalue()


def picture(
    width: int = 4,
    height: int = 4,
    mode: str = "1",
    kind: str = "PNG",
    colour: str = "black",
) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (width, height), colour).save(file, kind)
    return file.getvalue()


def chunky_png(mib: int) -> bytes:
    """A PNG with private chunks of many MiB before its pixels."""
    whole = picture(64, 64)
    head = whole[:33]
    body = b"prIv" + bytes(mib * 2**20)
    length = struct.pack(">L", mib * 2**20)
    return head + length + body + struct.pack(">L", zlib.crc32(body)) + whole[33:]


def segmented_jpeg(mib: int) -> bytes:
    """A JPEG of application segments."""
    segment = b"\xff\xe5" + struct.pack(">H", 65_535) + bytes(65_533)
    whole = picture(64, 64, "L", "JPEG")
    return whole[:2] + segment * (16 * mib) + whole[2:]


def odd_exif() -> bytes:
    """EXIF data of a picture to be turned by 90 degrees, whose description is a
    fraction: Pillow reads it, and cannot write it."""
    description = struct.pack("<HHIf", 0x010E, 11, 1, 1.0)
    orientation = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    return (
        b"Exif\0\0II*\0"
        + struct.pack("<IH", 8, 2)
        + description
        + orientation
        + bytes(4)
    )
