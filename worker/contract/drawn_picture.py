"""The PNG of drawn samples that a client sends back: its text chunks and its pixels.

Other chunks are allowed only if every program shows the same pixels with them.
docs/verification.md has the table; engine/png.js keeps the same rule, and the files in
tests/verification hold both to the same answers.
"""

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from PIL import Image, ImageChops, ImageFile

from worker.contract.provenance import ProvenanceError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
"""The chunks of the picture itself, in their order."""
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_HARMLESS: Mapping[bytes, bytes | None] = {
    b"tIME": None,
    b"bKGD": None,
    b"sRGB": None,
    b"gAMA": struct.pack(">I", 45_455),
    b"cHRM": struct.pack(
        ">8I", 31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000
    ),
}
"""Further chunks that a picture may have, each with the content that leaves sRGB
colours unchanged; None: any content."""
_INDEXED = 3
_COLOUR_TYPES = (0, 2, _INDEXED, 4, 6)
_MOST_TEXT = 2**18
"""Most characters of all text chunks together. A small file could otherwise unpack to
any size."""
_XMP = "XML:com.adobe.xmp"


class NotPngError(ProvenanceError):
    """The file is no complete PNG."""


@dataclass(frozen=True)
class DrawnPicture:
    """A PNG whose chunks have been checked; its pixels are not decoded yet."""

    text: Mapping[str, str]
    """Text of each text chunk by its keyword."""
    width: int
    height: int
    _depth: int
    """Bits of each colour, or of each index of the palette."""
    _file: bytes

    @classmethod
    def of(cls, file: bytes) -> Self:
        """Check the chunks of a PNG file.

        Raises NotPngError if it is no complete PNG, ProvenanceError if some program may
        show another picture than its pixels.
        """
        header: tuple[int, int, int, int] | None = None
        text: dict[str, str] = {}
        room = _MOST_TEXT
        rank = -1
        last = b""
        for name, content in _chunks(file):
            if name in _PICTURE:
                before, rank = rank, _PICTURE.index(name)
                is_repeated = rank == before and not name == last == b"IDAT"
                if rank < before or is_repeated:
                    raise _changed(name, "in a wrong place")
            if header is None:
                header = _header(name, content)
            elif name in (b"PLTE", b"tRNS") and header[3] != _INDEXED:
                raise _changed(name, "although its pixels are no indices of a palette")
            elif name in _TEXTS:
                key, value = _text_of(name, content, room)
                room -= len(value)
                text[key] = value
            elif name not in _PICTURE and not _is_harmless(name, content):
                raise _changed(
                    name, "with which a program may show something else than its pixels"
                )
            last = name
        assert header is not None, "a file without chunks is refused by _chunks"
        _expect_no_profile(text)
        width, height, depth, _ = header
        return cls(text, width, height, depth, file)

    def pixels(self, channels: int) -> Image.Image:
        """Decode the picture with 8 bits for each colour.

        channels: 1, 3 or 4, for an image in mode L, RGB or RGBA.

        Raises ProvenanceError if the picture needs other channels or more bits. Damaged
        pixels raise Pillow's own errors.
        """
        shown = self._eight_bits().convert("RGBA")
        if channels == 4:
            return shown
        red, green, blue, opacity = shown.split()
        if opacity.getextrema() != (255, 255):
            raise ProvenanceError(
                "it has other colours than it was written with: some are transparent"
            )
        if channels == 3:
            return shown.convert("RGB")
        for other in (green, blue):
            if ImageChops.difference(red, other).getbbox() is not None:
                raise ProvenanceError(
                    "it has other colours than it was written with: expected greys"
                )
        return red

    def _eight_bits(self) -> Image.Image:
        image = self._open()
        if self._depth <= 8:
            image.load()
            if (
                image.mode == "P"
                and _largest(image) >= len(image.getpalette() or ()) // 3
            ):
                raise NotPngError("it has a pixel whose index is beyond its palette")
            return image
        if image.mode == "I;16":
            both = image.tobytes()
            low, high = both[::2], both[1::2]
            mode = "L"
        else:
            # Of each colour Pillow keeps the upper byte. If it takes the bytes in the
            # other order, that is the lower one.
            mode = image.mode
            flipped = self._open()
            flipped.tile = [
                tile._replace(args=f"{mode};16L")
                for tile in flipped.tile
                if tile.args == f"{mode};16B"
            ]
            if not flipped.tile:  # grey with opacity, which Pillow reads as RGBA
                raise _too_deep()
            low, high = flipped.tobytes(), image.tobytes()
        if low != high:
            raise _too_deep()
        return Image.frombytes(mode, image.size, high)

    def _open(self) -> ImageFile.ImageFile:
        return Image.open(io.BytesIO(self._file), formats=("PNG",))


def _chunks(file: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of each chunk of a complete PNG."""
    if not file.startswith(_SIGNATURE):
        raise NotPngError("it is not a PNG")
    at = len(_SIGNATURE)
    name = b""
    while name != b"IEND":
        if at + 12 > len(file):
            raise NotPngError("it is cut off")
        (length,) = struct.unpack_from(">I", file, at)
        name = file[at + 4 : at + 8]
        end = at + 8 + length
        content = file[at + 8 : end]
        if file[end : end + 4] != struct.pack(">I", zlib.crc32(name + content)):
            raise NotPngError("it is damaged or cut off")
        yield name, content
        at = end + 4
    if at < len(file):
        raise ProvenanceError("bytes follow after its end, such as a second picture")


def _header(name: bytes, content: bytes) -> tuple[int, int, int, int]:
    """Return width, height, depth and colour type."""
    if name != b"IHDR" or len(content) != 13 or content[9] not in _COLOUR_TYPES:
        raise NotPngError("it does not begin with a PNG's header")
    return struct.unpack(">IIBB", content[:10])


def _text_of(name: bytes, content: bytes, room: int) -> tuple[str, str]:
    """Return keyword and text of a text chunk.

    room: most characters of the text.
    """
    key, _, rest = content.partition(b"\0")
    is_packed = name == b"zTXt" or (name == b"iTXt" and rest[:1] == b"\1")
    encoding = "latin-1"
    if name == b"zTXt":
        rest = rest[1:]
    elif name == b"iTXt":
        # Two flags; then language and translated keyword, each up to a zero.
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
        encoding = "utf-8"
    try:
        if is_packed:
            rest = zlib.decompressobj().decompress(rest, room + 1)
        text = rest.decode(encoding)
    except (zlib.error, UnicodeDecodeError):
        raise NotPngError("it has a damaged text") from None
    if len(text) > room:
        raise NotPngError("its texts are too long")
    return key.decode("latin-1"), text


def _expect_no_profile(text: Mapping[str, str]) -> None:
    """Refuse texts by which some programs turn or recolour a picture: ImageMagick's
    profiles, and an XMP packet with an orientation."""
    if any(key.startswith("Raw profile type ") for key in text):
        raise ProvenanceError("another program saved it: one of its texts is a profile")
    if "Orientation" in text.get(_XMP, ""):
        raise ProvenanceError("another program saved it: its text may turn it")


def _is_harmless(name: bytes, content: bytes) -> bool:
    if name == b"pHYs":  # pixels that are not square would be stretched
        return content[:4] == content[4:8]
    return name in _HARMLESS and _HARMLESS[name] in (None, content)


def _largest(image: Image.Image) -> int:
    extremes: Any = image.getextrema()
    return extremes[1]


def _changed(name: bytes, reason: str) -> ProvenanceError:
    return ProvenanceError(
        f"another program saved it: it has a chunk {name.decode('latin-1')} {reason}"
    )


def _too_deep() -> ProvenanceError:
    return ProvenanceError("it has more than 8 bits a colour: save it with 8")
