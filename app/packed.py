"""The entries of a job that has ended as one value: rows as bits where they are black and white, compressed bytes else.

The order of the rows is kept, so that an id means the same row as before. What a packed value is made of:

    1 byte      the format, 1
    2 x 2       bytes of a row of the small image and of the final one
    4, 2        how many rows; how the job ended, an index of ENDS
    rest        compressed: for each row its sample, and 128 more where it is of the small image; then the rows
"""

import struct
import zlib
from collections import Counter
from collections.abc import Sequence

from PIL import Image

from app.entries import Entry
from worker.contract.events import EventType, RowDrawn, Stage, row_entry

_HEAD = struct.Struct("<BHHIBB")
_FORMAT = 1
_SMALL = 128
_BLACK_AND_WHITE = frozenset({0, 255})
ENDS = (EventType.DONE, EventType.ERROR, EventType.CANCELED)


class UnpackableError(Exception):
    """These entries are left as they are."""


def packed(entries: Sequence[Entry]) -> bytes:
    """All entries of a job that has ended. Raises UnpackableError where they would not come back as they are."""
    *rows, end = entries
    if [entry.seq for entry in entries] != list(
        range(1, len(entries) + 1)
    ) or end.type not in ENDS:
        raise UnpackableError("entries are missing")
    drawn = [RowDrawn.model_validate_json(entry.data) for entry in rows]
    order = bytes(
        row.sample + (_SMALL if row.stage is Stage.SMALL else 0)
        for row in drawn
        if row.sample < _SMALL
    )
    pixels = [row.pixel_bytes() for row in drawn]
    small, final = (
        max(
            (
                len(data)
                for data, row in zip(pixels, drawn, strict=True)
                if row.stage is stage
            ),
            default=0,
        )
        for stage in (Stage.SMALL, Stage.FINAL)
    )
    plain = b"".join(pixels)
    is_bits = not frozenset(plain) - _BLACK_AND_WHITE
    head = _HEAD.pack(_FORMAT, small, final, len(rows), ENDS.index(end.type), is_bits)
    value = head + zlib.compress(order + (_bits(plain) if is_bits else plain), 9)
    if [(entry.seq, entry.type) for entry in entries] != [
        (entry.seq, entry.type) for entry in unpacked(value)
    ]:
        raise UnpackableError("entries are of other types")
    if [entry.data for entry in rows] != [entry.data for entry in unpacked(value)[:-1]]:
        raise UnpackableError("rows are not each there once, from the top down")
    return value


def unpacked(value: bytes) -> list[Entry]:
    """Undo the packing; the last entry says nothing but how the job ended. Raises UnpackableError for another
    format."""
    version, small, final, count, end, is_bits = _HEAD.unpack_from(value)
    if version != _FORMAT:
        raise UnpackableError(
            f"packed in format {version}, which this version cannot read"
        )
    rest = zlib.decompress(value[_HEAD.size :])
    order, plain = rest[:count], rest[count:]
    lengths = [small if code >= _SMALL else final for code in order]
    if is_bits:
        plain = _pixels(plain, sum(lengths))
    entries, at, rows = [], 0, Counter[int]()
    for seq, (code, length) in enumerate(zip(order, lengths, strict=True), start=1):
        data = row_entry(
            code % _SMALL, rows[code], plain[at : at + length], code >= _SMALL
        )
        entries.append(Entry(seq, EventType.ROW, data))
        at += length
        rows[code] += 1
    return [*entries, Entry(count + 1, ENDS[end], "{}")]


def _bits(pixels: bytes) -> bytes:
    return (
        Image.frombytes("L", (len(pixels), 1), pixels).convert("1").tobytes()
        if pixels
        else b""
    )


def _pixels(bits: bytes, count: int) -> bytes:
    return (
        Image.frombytes("1", (count, 1), bits).convert("L").tobytes() if count else b""
    )
