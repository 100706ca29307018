"""A PNG that is written row by row: valid when the last row is in, shown by browsers as it comes."""

import struct
import zlib
from collections.abc import Mapping, Sequence

from app.imaging.palette import chunks as palette_chunks
from app.imaging.render import PNG_KEYWORD

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _COLOUR, _INDEXED = 0, 2, 3
_NO_FILTER = b"\0"


class ProgressivePng:
    """A PNG that grows: `height` rows of `width` pixels, each pixel a square of `scale`; 8 bits a colour, one colour or
    three, or one that counts in a palette."""

    def __init__(
        self,
        height: int,
        width: int,
        channels: int,
        scale: int,
        palette: Sequence[str] = (),
    ) -> None:
        self._size = (width * scale, height * scale)
        self._channels = channels
        self._scale = scale
        self._palette = palette
        self._compressor = zlib.compressobj(6)

    def head(self, text: Mapping[str, str], mark: str = "") -> bytes:
        """Everything before the first row; `text` as chunks of keyword and text, the mark as one of UTF-8."""
        colour = (
            _INDEXED if self._palette else _GREY if self._channels == 1 else _COLOUR
        )
        header = struct.pack(">IIBBBBB", *self._size, 8, colour, 0, 0, 0)
        colours = (
            [_chunk(*each) for each in palette_chunks(self._palette)]
            if self._palette
            else []
        )
        chunks = [_text(key, value) for key, value in text.items()]
        if mark:
            chunks.append(
                _chunk(b"iTXt", PNG_KEYWORD.encode() + bytes(5) + mark.encode())
            )
        return b"".join([_SIGNATURE, _chunk(b"IHDR", header), *colours, *chunks])

    def row(self, pixels: bytes) -> bytes:
        """The next row, W*C bytes; flushed, so that it can be seen at once."""
        C, scale = self._channels, self._scale
        wide = b"".join(pixels[x : x + C] * scale for x in range(0, len(pixels), C))
        data = self._compressor.compress((_NO_FILTER + wide) * scale)
        return _chunk(b"IDAT", data + self._compressor.flush(zlib.Z_SYNC_FLUSH))

    def tail(self) -> bytes:
        return _chunk(b"IDAT", self._compressor.flush()) + _chunk(b"IEND", b"")


def _text(key: str, value: str) -> bytes:
    """A chunk of text in Latin-1, as every reader knows it; else of international text."""
    try:
        return _chunk(b"tEXt", f"{key}\0{value}".encode("latin-1"))
    except UnicodeEncodeError:
        return _chunk(b"iTXt", f"{key}\0\0\0\0\0{value}".encode())


def _chunk(kind: bytes, data: bytes) -> bytes:
    return (
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data))
    )
