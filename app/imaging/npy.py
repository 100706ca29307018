"""Arrays as NumPy's .npy files, read and written without NumPy; nothing is unpickled.

`read_array` takes whole numbers only: a picture is (C, H, W), several are (n, C, H, W),
and each number is one of the model's values, from 0 on. `read_header` reads the header
of an array of any type.
"""

import math
import re
import sys
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

from app.errors import BadUploadError, UnusableImageError

MEDIA_TYPE = "application/x-npy"
_MAGIC = b"\x93NUMPY"
_LENGTHS = {b"\1\0": 2, b"\2\0": 4, b"\3\0": 4}
"""Version of the format -> bytes of the header's length."""
_MOST_HEADER = 512
MOST_PREFIX = 8 + 4 + _MOST_HEADER
"""Bytes from the beginning of a file that contain its header in any version."""
_FOREIGN = ">" if sys.byteorder == "little" else "<"
"""The byte order that is not this machine's."""
_HEADER = re.compile(
    r"\{ *'descr': *'([<>|=])([a-zA-Z])(\d{1,6})', *'fortran_order': *(True|False), *"
    r"'shape': *\(((?:\d{1,9}L?, *)*(?:\d{1,9}L?)?)\),? *\} *\n?",
    re.ASCII,
)
"""Header as NumPy writes it, and whoever writes such files after it. Python 2 wrote
sizes as 28L."""
_OBJECTS = re.compile(r"'descr': *'[<>|=]O")
"""Found in the header of an array of Python objects, which numpy.save pickles."""
_TYPES = {
    "b1": "B",
    "i1": "b",
    "u1": "B",
    "i2": "h",
    "u2": "H",
    "i4": "i",
    "u4": "I",
    "i8": "q",
    "u8": "Q",
}
"""NumPy's kind and length -> type code of Python's array module."""


@dataclass(frozen=True)
class Array:
    """An array of whole numbers, in C order."""

    shape: tuple[int, ...]
    numbers: "array[int]"
    """All numbers, in C order."""


def is_array(data: bytes) -> bool:
    """Return True if an upload is a NumPy array, judged by its first bytes and not by
    its name or content type."""
    return data.startswith(_MAGIC)


@dataclass(frozen=True)
class Header:
    """What a .npy file says about its array."""

    order: str
    """Byte order: < little, > big, | for none, = this machine's."""
    kind: str
    """NumPy's letter for the type: b booleans, i and u whole numbers, U strings, ..."""
    length: int
    """Length of an item in bytes; for strings, in characters of four bytes."""
    is_fortran: bool
    """True if the array is in Fortran order."""
    shape: tuple[int, ...]
    offset: int
    """Offset of the content in the file, in bytes."""

    @property
    def content_size(self) -> int:
        """Bytes that the content must have."""
        width = 4 if self.kind == "U" else 1
        return math.prod(self.shape) * self.length * width


def read_header(data: bytes) -> Header:
    """Read the header of a .npy file from its first MOST_PREFIX bytes, or from the
    whole file. Raises BadUploadError if that is not possible."""
    text, offset = _header_text(data)
    found = _HEADER.fullmatch(text)
    if found is None and _OBJECTS.search(text):
        raise BadUploadError(
            "the array contains Python objects (dtype=object), which are not read: "
            "expected numbers, such as dtype=uint8"
        )
    if found is None:
        raise BadUploadError(
            "the array's header cannot be read: "
            "expected a .npy file as numpy.save writes it"
        )
    order, kind, length, is_fortran, sizes = found.groups()
    shape = tuple(int(size) for size in re.findall(r"\d+", sizes))
    return Header(order, kind, int(length), is_fortran == "True", shape, offset)


def read_array(data: bytes) -> Array:
    """Read a .npy file of whole numbers or booleans in C order.

    Raises BadUploadError if the file is broken, and UnusableImageError for another type
    or order.
    """
    header = read_header(data)
    content = data[header.offset :]
    code = _TYPES.get(f"{header.kind}{header.length}")
    if code is None:
        raise UnusableImageError(
            "the array has no whole numbers: "
            "expected integers of any length, or booleans"
        )
    if header.is_fortran:
        raise UnusableImageError(
            "the array is in Fortran order: "
            "expected C order, as numpy.ascontiguousarray makes it"
        )
    if len(content) != header.content_size:
        raise BadUploadError("the array does not have as many bytes as its header says")
    return Array(
        header.shape, _numbers(content, code, is_foreign=header.order == _FOREIGN)
    )


def _header_text(data: bytes) -> tuple[str, int]:
    """Return the header's text, and the offset of the content."""
    width = _LENGTHS.get(data[6:8])
    if width is None:
        raise BadUploadError(
            "the array has an unknown version of the .npy format: "
            "expected 1.0, 2.0 or 3.0"
        )
    begin = 8 + width
    length = int.from_bytes(data[8:begin], "little")
    if length > _MOST_HEADER or len(data) < begin + length:
        raise BadUploadError(
            f"the array's header is cut off, or longer than {_MOST_HEADER} bytes"
        )
    return data[begin : begin + length].decode("latin-1"), begin + length


def _numbers(content: bytes, code: str, is_foreign: bool) -> "array[int]":
    numbers: array[int] = array(code)
    numbers.frombytes(content)
    if is_foreign:
        numbers.byteswap()
    return numbers


def npy_file(shape: Iterable[int], numbers: bytes) -> bytes:
    """Return a .npy file of bytes in C order.

    shape: sizes of the dimensions.
    """
    return npy_header("|u1", shape) + numbers


def npy_header(descr: str, shape: Iterable[int]) -> bytes:
    """Return the part of a .npy file before the content of an array in C order.

    descr: NumPy's name of the type, such as `|u1`.
    shape: sizes of the dimensions.
    """
    sizes = "".join(f"{size}, " for size in shape).rstrip()
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}"
    room = -(len(_MAGIC) + 4 + len(text) + 1) % 64
    header = f"{text}{' ' * room}\n".encode()
    return _MAGIC + b"\x01\x00" + len(header).to_bytes(2, "little") + header
