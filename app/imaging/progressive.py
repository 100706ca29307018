"""A PNG that is written row by row: complete with the last row, and shown by browsers
while it arrives."""

import struct
import zlib
from collections.abc import Mapping, Sequence

from app.imaging.palette import chunks as palette_chunks
from worker.contract.picture_file import PNG_KEYWORD

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _COLOUR, _INDEXED = 0, 2, 3
_NO_FILTER = b"\0"


class ProgressivePng:
    """A PNG that is written row by row. Call `head`, then `row` for each row, then
    `tail`."""

    def __init__(
        self,
        height: int,
        width: int,
        channels: int,
        scale: int,
        palette: Sequence[str] = (),
    ) -> None:
        """height, width, channels: of the image, with 1 or 3 colours of 8 bits.
        scale: side of the square that each pixel becomes.
        palette: if given, bytes are indices of these colours."""
        self._size = (width * scale, height * scale)
        self._channels = channels
        self._scale = scale
        self._palette = palette
        self._compressor = zlib.compressobj(6)

    def head(self, text: Mapping[str, str], mark: str = "") -> bytes:
        """Return everything before the first row.

        text: text chunks of the PNG by keyword.
        mark: XMP packet; empty for none.
        """
        colour = _GREY if self._channels == 1 else _COLOUR
        if self._palette:
            colour = _INDEXED
        header = struct.pack(">IIBBBBB", *self._size, 8, colour, 0, 0, 0)
        colours = []
        if self._palette:
            colours = [_chunk(*each) for each in palette_chunks(self._palette)]
        chunks = [_text(key, value) for key, value in text.items()]
        if mark:
            chunks.append(
                _chunk(b"iTXt", PNG_KEYWORD.encode() + bytes(5) + mark.encode())
            )
        return b"".join([_SIGNATURE, _chunk(b"IHDR", header), *colours, *chunks])

    def row(self, pixels: bytes) -> bytes:
        """Return the next row's part of the file.

        pixels: W*C bytes.
        """
        C, scale = self._channels, self._scale
        wide = b"".join(pixels[x : x + C] * scale for x in range(0, len(pixels), C))
        data = self._compressor.compress((_NO_FILTER + wide) * scale)
        # Flushed, so that browsers show the row at once.
        return _chunk(b"IDAT", data + self._compressor.flush(zlib.Z_SYNC_FLUSH))

    def tail(self) -> bytes:
        """Return the end of the file, after the last row."""
        return _chunk(b"IDAT", self._compressor.flush()) + _chunk(b"IEND", b"")


def _text(key: str, value: str) -> bytes:
    """Return a chunk of text: in Latin-1, which every reader knows, if possible, else
    in UTF-8."""
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
