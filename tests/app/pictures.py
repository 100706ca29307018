"""Image files, good and hostile, made here."""

import io
import struct
import zlib
from functools import cache
from typing import Any

from PIL import Image


def png(image: Image.Image, **options: Any) -> bytes:
    return encoded(image, "PNG", **options)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def grey(*rows: list[int]) -> Image.Image:
    """Mode L from rows of values."""
    return Image.frombytes(
        "L", (len(rows[0]), len(rows)), bytes(value for row in rows for value in row)
    )


def chunk(kind: bytes, data: bytes) -> bytes:
    return (
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data))
    )


def raw_png(
    width: int,
    height: int,
    depth: int,
    colour: int,
    data: bytes,
    *extra: bytes,
    is_interlaced: bool = False,
) -> bytes:
    """A PNG of any header; `data` are the filtered scan lines, `extra` chunks before them."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, is_interlaced)
    body = (
        chunk(b"IHDR", header)
        + b"".join(extra)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )
    return b"\x89PNG\r\n\x1a\n" + body


ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
"""Of each pass of an interlaced PNG the first column and row, and the steps to the next ones."""


def indexed_png(
    rows: list[list[int]], depth: int, *chunks: bytes, is_interlaced: bool = False
) -> bytes:
    """A PNG of numbers of colours, so many bits each; the chunks before them say which colours."""
    passes = ADAM7 if is_interlaced else ((0, 0, 1, 1),)
    lines = [
        row[x::across]
        for x, y, across, down in passes
        for row in rows[y::down]
        if row[x::across]
    ]
    data = b"".join(b"\0" + _packed(line, depth) for line in lines)
    return raw_png(
        len(rows[0]), len(rows), depth, 3, data, *chunks, is_interlaced=is_interlaced
    )


def _packed(line: list[int], depth: int) -> bytes:
    bits = "".join(f"{value:0{depth}b}" for value in line)
    return bytes(int(f"{bits[i : i + 8]:0<8}", 2) for i in range(0, len(bits), 8))


def grey16(*rows: list[int]) -> bytes:
    """A 16-bit grey PNG."""
    lines = b"".join(b"\0" + struct.pack(f">{len(row)}H", *row) for row in rows)
    return raw_png(len(rows[0]), len(rows), 16, 0, lines)


def bomb(side: int = 30_000) -> bytes:
    """A small file that claims side x side pixels."""
    return raw_png(side, side, 8, 0, b"\0" * 1000)


@cache
def text_bomb() -> bytes:
    """A PNG whose compressed comment unpacks to 50 MB."""
    return raw_png(
        3,
        4,
        8,
        0,
        b"\0" * 16,
        chunk(b"zTXt", b"k\0\0" + zlib.compress(b"x" * 50_000_000)),
    )


def animated(kind: str) -> bytes:
    frames = [
        Image.new("RGB", (3, 4), (shade, 255 - shade, shade)) for shade in (0, 120, 255)
    ]
    return encoded(
        frames[0], kind, save_all=True, append_images=frames[1:], duration=100
    )


def with_preview(photograph: Image.Image) -> bytes:
    """A JPEG with a second picture after it, as phones write it."""
    preview = Image.new(photograph.mode, (2, 2), 90)
    return encoded(
        photograph, "MPO", save_all=True, append_images=[preview], quality=100
    )


def deep_png(width: int, height: int, channels: int) -> bytes:
    """A PNG of 3 or 4 channels of 16 bits each."""
    line = b"\0" + bytes(i % 251 for i in range(2 * channels * width))
    return raw_png(width, height, 16, {3: 2, 4: 6}[channels], line * height)
