"""Arrays of values as NumPy's .npy files, read and written without NumPy: whole numbers only, and nothing is unpickled.

A picture is (C, H, W), several are (n, C, H, W), and each number is one of the model's values, from 0 on.
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
"""Bytes of the header's length, by the format's version."""
_MOST_HEADER = 512
_FOREIGN = ">" if sys.byteorder == "little" else "<"
"""The order of bytes that is not this machine's."""
_HEADER = re.compile(
    r"\{ *'descr': *'([<>|=])([a-zA-Z])(\d{1,2})', *'fortran_order': *(True|False), *"
    r"'shape': *\(((?:\d{1,9}, *)*(?:\d{1,9})?)\),? *\} *\n?",
    re.ASCII,
)
"""Header as NumPy writes it, and whoever writes such files after it."""
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
"""Code of the array module, by NumPy's kind and length."""


@dataclass(frozen=True)
class Array:
    """Whole numbers in C order."""

    shape: tuple[int, ...]
    numbers: "array[int]"


def is_array(data: bytes) -> bool:
    """True if an upload is a NumPy array. Its first bytes decide, whatever its name and content type say."""
    return data.startswith(_MAGIC)


def read_array(data: bytes) -> Array:
    """Raises BadUploadError for a file that is broken, UnusableImageError for an array of anything but whole numbers or
    booleans in C order."""
    text, content = _parts(data)
    found = _HEADER.fullmatch(text)
    if found is None:
        raise BadUploadError(
            "the array's header cannot be read: expected a .npy file as numpy.save writes it"
        )
    order, kind, length, is_fortran, sizes = found.groups()
    shape = tuple(int(size) for size in sizes.replace(",", " ").split())
    code = _TYPES.get(kind + length)
    if code is None:
        raise UnusableImageError(
            "the array has no whole numbers: expected integers of any length, or booleans"
        )
    if is_fortran == "True":
        raise UnusableImageError(
            "the array is in Fortran order: expected C order, as numpy.ascontiguousarray makes it"
        )
    if len(content) != math.prod(shape) * int(length):
        raise BadUploadError("the array has not as many bytes as its header says")
    return Array(shape, _numbers(content, code, is_foreign=order == _FOREIGN))


def _parts(data: bytes) -> tuple[str, bytes]:
    """The header's text, and the numbers' bytes."""
    width = _LENGTHS.get(data[6:8])
    if width is None:
        raise BadUploadError(
            "the array is of a version of .npy files that is not known: expected 1.0, 2.0 or 3.0"
        )
    begin = 8 + width
    length = int.from_bytes(data[8:begin], "little")
    if length > _MOST_HEADER or len(data) < begin + length:
        raise BadUploadError(
            f"the array's header is cut off, or longer than {_MOST_HEADER} bytes"
        )
    return data[begin : begin + length].decode("latin-1"), data[begin + length :]


def _numbers(content: bytes, code: str, is_foreign: bool) -> "array[int]":
    numbers: array[int] = array(code)
    numbers.frombytes(content)
    if is_foreign:
        numbers.byteswap()
    return numbers


def written(shape: Iterable[int], numbers: bytes) -> bytes:
    """A .npy file of bytes in C order."""
    sizes = "".join(f"{size}, " for size in shape).rstrip()
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({sizes}), }}"
    room = -(len(_MAGIC) + 4 + len(text) + 1) % 64
    header = f"{text}{' ' * room}\n".encode()
    return _MAGIC + b"\x01\x00" + len(header).to_bytes(2, "little") + header + numbers
