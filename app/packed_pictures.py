"""A job's pictures (`keys.image`) as one value, once it has ended: compressed together, without loss.

    1 byte    the format, 1
    rest      compressed: the length of each by its field, in JSON, a line's end, and then one picture after the other

The numbers of a map are taken apart first, all their first bytes before all second ones: alike bytes lie together.
"""

import json
import zlib
from collections.abc import Mapping
from itertools import accumulate

from app.packed import UnpackableError

FIELD = "packed"
"""The field that holds the value, in place of the others."""
_FORMAT = b"\x01"
_MAPS = frozenset({"bits", "mean", "entropy"})
_NUMBER = 4
"""Bytes of a number of a map."""


def packed_pictures(fields: Mapping[str, bytes]) -> bytes:
    """All fields of the job's hash of pictures; empty where it is packed, or would not be smaller so."""
    lengths = json.dumps(
        {name: len(data) for name, data in fields.items()}, separators=(",", ":")
    )
    plain = b"".join(
        _apart(data) if name in _MAPS else data for name, data in fields.items()
    )
    value = _FORMAT + zlib.compress(lengths.encode() + b"\n" + plain, 9)
    return b"" if FIELD in fields or len(value) >= len(plain) else value


def unpacked_picture(value: bytes, field: str) -> bytes | None:
    """One of them. Raises UnpackableError for another format."""
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
    return b"".join(numbers[i::_NUMBER] for i in range(_NUMBER))


def _together(planes: bytes) -> bytes:
    """Undo `_apart`."""
    numbers, count = bytearray(len(planes)), len(planes) // _NUMBER
    for i in range(_NUMBER):
        numbers[i::_NUMBER] = planes[i * count : (i + 1) * count]
    return bytes(numbers)
