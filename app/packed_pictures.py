"""A job's pictures (`keys.image`) packed into one value once the job has ended:
compressed together, without loss.

    1 byte    the format, 1
    rest      compressed: the lengths by field, as JSON, a newline, and the pictures

The bytes of a map's numbers are sorted first: all first bytes, then all second ones,
and so on, because similar bytes compress better together.
"""

import json
import zlib
from collections.abc import Mapping
from itertools import accumulate

from app.packed import UnpackableError

FIELD = "packed"
"""The field that replaces all others."""
_FORMAT = b"\x01"
_MAPS = frozenset({"bits", "mean", "entropy"})
_NUMBER = 4
"""Bytes of one number in a map."""


def packed_pictures(fields: Mapping[str, bytes]) -> bytes:
    """Pack all fields of a job's hash of pictures. Return an empty value if they are
    packed already, or would not become smaller."""
    lengths = json.dumps(
        {name: len(data) for name, data in fields.items()}, separators=(",", ":")
    )
    plain = b"".join(
        _apart(data) if name in _MAPS else data for name, data in fields.items()
    )
    value = _FORMAT + zlib.compress(lengths.encode() + b"\n" + plain, 9)
    return b"" if FIELD in fields or len(value) >= len(plain) else value


def unpacked_picture(value: bytes, field: str) -> bytes | None:
    """Return one picture of a packed value; None if it does not contain the field.
    Raises UnpackableError if another version packed it."""
    if value[:1] != _FORMAT:
        raise UnpackableError(
            f"packed in format {value[:1]!r}, which this version cannot read"
        )
    head, _, plain = zlib.decompress(value[1:]).partition(b"\n")
    lengths: dict[str, int] = json.loads(head)
    ends = dict(zip(lengths, accumulate(lengths.values()), strict=True))
    if field not in ends:
        return None
    data = plain[ends[field] - lengths[field] : ends[field]]
    return _together(data) if field in _MAPS else data


def _apart(numbers: bytes) -> bytes:
    """Return the first bytes of all numbers, then all second ones, and so on."""
    return b"".join(numbers[i::_NUMBER] for i in range(_NUMBER))


def _together(planes: bytes) -> bytes:
    """Undo `_apart`."""
    numbers = bytearray(len(planes))
    count = len(planes) // _NUMBER
    for i in range(_NUMBER):
        numbers[i::_NUMBER] = planes[i * count : (i + 1) * count]
    return bytes(numbers)
