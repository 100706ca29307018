"""The entries of a job that has ended, packed into one value: compressed, with rows of
black and white as bits.

The order of the rows is kept, so that an id means the same row as before. The value:

    1 byte      the format, 1
    2 x 2       bytes of a row of the small image, and of the final one
    4, 1, 1     number of rows; how the job ended, an index of ENDS; 1 if rows are bits
    rest        compressed: for each row its sample, plus 128 if it is a row of the
                small image; then the rows
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
"""Added to the sample number of rows of the small image."""
_BLACK_AND_WHITE = frozenset({0, 255})
ENDS = (EventType.DONE, EventType.ERROR, EventType.CANCELED)


class UnpackableError(Exception):
    """These entries cannot be packed without loss, or were packed by another
    version."""


def packed(entries: Sequence[Entry]) -> bytes:
    """Pack all entries of a job that has ended. Raises UnpackableError if `unpacked`
    would not restore them exactly."""
    *rows, end = entries
    numbers = [entry.seq for entry in entries]
    if numbers != list(range(1, len(entries) + 1)) or end.type not in ENDS:
        raise UnpackableError("entries are missing")

    drawn = [RowDrawn.model_validate_json(entry.data) for entry in rows]
    order = bytes(
        row.sample + (_SMALL if row.stage is Stage.SMALL else 0)
        for row in drawn
        if row.sample < _SMALL
    )
    pixels = [row.pixel_bytes() for row in drawn]
    widths = {Stage.SMALL: 0, Stage.FINAL: 0}
    for row, data in zip(drawn, pixels, strict=True):
        widths[row.stage] = max(widths[row.stage], len(data))
    plain = b"".join(pixels)
    is_bits = not frozenset(plain) - _BLACK_AND_WHITE
    head = _HEAD.pack(
        _FORMAT,
        widths[Stage.SMALL],
        widths[Stage.FINAL],
        len(rows),
        ENDS.index(end.type),
        is_bits,
    )
    value = head + zlib.compress(order + (_bits(plain) if is_bits else plain), 9)

    restored = unpacked(value)
    types = [(entry.seq, entry.type) for entry in entries]
    if types != [(entry.seq, entry.type) for entry in restored]:
        raise UnpackableError("entries are of other types")
    if [entry.data for entry in rows] != [entry.data for entry in restored[:-1]]:
        raise UnpackableError("rows are not each there once, from the top down")
    return value


def unpacked(value: bytes) -> list[Entry]:
    """Return the entries of a packed value. The last one contains only how the job
    ended. Raises UnpackableError if another version packed it."""
    version, small, final, count, end, is_bits = _HEAD.unpack_from(value)
    if version != _FORMAT:
        raise UnpackableError(
            f"packed in format {version}, which this version cannot read"
        )
    rest = zlib.decompress(value[_HEAD.size :])
    order = rest[:count]
    plain = rest[count:]
    lengths = [small if code >= _SMALL else final for code in order]
    if is_bits:
        plain = _pixels(plain, sum(lengths))
    entries = []
    at = 0
    rows = Counter[int]()  # by code: the next row of each image
    for seq, (code, length) in enumerate(zip(order, lengths, strict=True), start=1):
        data = row_entry(
            code % _SMALL, rows[code], plain[at : at + length], code >= _SMALL
        )
        entries.append(Entry(seq, EventType.ROW, data))
        at += length
        rows[code] += 1
    return [*entries, Entry(count + 1, ENDS[end], "{}")]


def _bits(pixels: bytes) -> bytes:
    """Return black and white pixels as bits."""
    if not pixels:
        return b""
    return Image.frombytes("L", (len(pixels), 1), pixels).convert("1").tobytes()


def _pixels(bits: bytes, count: int) -> bytes:
    """Return so many bits as pixels of 0 and 255."""
    if not count:
        return b""
    return Image.frombytes("1", (count, 1), bits).convert("L").tobytes()
