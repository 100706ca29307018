"""Makes the files of this folder from the pictures that version 0.4 wrote: ways in which
other programs save a picture, and ways to forge one.

    python -m tests.verification.make

answers.json names, for each file, who verifies it: the command, the service, and the
engine in JavaScript. docs/verification.md says it in words.
"""

import io
import json
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from PIL import Image

from tests.app.pictures import ADAM7, chunk, png

FOLDER = Path(__file__).parent
MODELS = {
    "grey": "mnist-pixelcnn",
    "colour": "cifar10-small-pixelcnn",
    "palette": "sprites",
}
EVERYBODY = ["command", "service", "browser"]
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {"L": 0, "RGB": 2, "P": 3, "LA": 4, "RGBA": 6}
_TEXTS = b"tEXt", b"iTXt"
_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"


@dataclass(frozen=True)
class Original:
    """A picture, and chunks of its file."""

    image: Image.Image
    texts: Sequence[bytes]
    palette: Sequence[bytes]

    @classmethod
    def of(cls, file: bytes) -> Self:
        image = Image.open(io.BytesIO(file))
        image.load()
        chunks = list(_chunks(file))
        texts = [chunk(*each) for each in chunks if each[0] in _TEXTS]
        palette = [chunk(*each) for each in chunks if each[0] in (b"PLTE", b"tRNS")]
        return cls(image, texts, palette)

    def with_chunks(self, *more: bytes, behind: bytes = b"") -> bytes:
        """The file with more chunks before its pixels, or behind them."""
        return self.saved(self.image, *self.texts, *more, behind=behind)

    def saved(
        self, image: Image.Image, *chunks: bytes, depth: int = 8, behind: bytes = b""
    ) -> bytes:
        """Another picture's pixels in a file with these chunks."""
        data = image.tobytes()
        if depth == 16:
            data = b"".join(bytes((value, value)) for value in data)
        stride = len(data) // image.height
        rows = [data[i : i + stride] for i in range(0, len(data), stride)]
        return self.packed(image, rows, *chunks, depth=depth, behind=behind)

    def packed(
        self,
        image: Image.Image,
        rows: list[bytes],
        *chunks: bytes,
        depth: int = 8,
        is_interlaced: bool = False,
        behind: bytes = b"",
    ) -> bytes:
        """A file of rows of whole bytes, each without its filter."""
        colour_type = _COLOUR_TYPES[image.mode]
        size = struct.pack(">II", *image.size)
        header = size + bytes((depth, colour_type, 0, 0, is_interlaced))
        palette = self.palette if image.mode == "P" else []
        parts = [chunk(b"IHDR", header), *palette, *chunks, _pixels(rows), behind]
        return _SIGNATURE + b"".join(parts) + chunk(b"IEND", b"")


def _chunks(file: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(file):
        (length,) = struct.unpack_from(">I", file, at)
        yield file[at + 4 : at + 8], file[at + 8 : at + 8 + length]
        at += 12 + length


def _pixels(rows: list[bytes]) -> bytes:
    return chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows), 9))


def _one_bit(original: Original) -> bytes | None:
    if original.image.mode != "L":
        return None
    image = original.image
    bits = "".join("1" if value else "0" for value in image.tobytes())
    lines = [bits[i : i + image.width] for i in range(0, len(bits), image.width)]
    rows = [
        bytes(int(f"{line[i : i + 8]:0<8}", 2) for i in range(0, len(line), 8))
        for line in lines
    ]
    return original.packed(image, rows, *original.texts, depth=1)


def _indexed(original: Original) -> bytes | None:
    """With a palette whose colours have another order than those of the model."""
    image = original.image
    if image.mode == "RGB":
        return None
    if image.mode == "L":
        colours = [chunk(b"PLTE", bytes(255 - i // 3 for i in range(3 * 256)))]
    else:
        pixels = dict(_chunks(_SIGNATURE + b"".join(original.palette)))
        triples, opacity = pixels[b"PLTE"], pixels[b"tRNS"].ljust(256, b"\xff")
        reds = [triples[i : i + 3] for i in range(0, len(triples), 3)]
        count = len(reds)
        colours = [
            chunk(b"PLTE", b"".join(reversed(reds)).rjust(3 * 256, b"\0")),
            chunk(b"tRNS", opacity[:count][::-1].rjust(256, b"\xff")),
        ]
    flipped = Image.frombytes("P", image.size, bytes(255 - i for i in image.tobytes()))
    return replace(original, palette=colours).saved(flipped, *original.texts)


def _in_colours(original: Original) -> bytes | None:
    mode = {"L": "RGB", "P": "RGBA"}.get(original.image.mode)
    if mode is None:
        return None
    return original.saved(original.image.convert(mode), *original.texts)


def _with_opacity(original: Original, opacity: int = 255) -> bytes:
    mode = "LA" if original.image.mode == "L" else "RGBA"
    image = original.image.convert(mode)
    if opacity < 255 or original.image.mode != "P":
        image.putalpha(opacity)
    return original.saved(image, *original.texts)


def _opaque(original: Original) -> bytes | None:
    return None if original.image.mode == "P" else _with_opacity(original)


def _interlaced(original: Original) -> bytes:
    image = original.image
    data = image.tobytes()
    size = len(image.getbands())
    stride = size * image.width
    pixels = [
        [data[i : i + size] for i in range(y * stride, (y + 1) * stride, size)]
        for y in range(image.height)
    ]
    rows = [
        b"".join(line[x::across])
        for x, y, across, down in ADAM7
        for line in pixels[y::down]
    ]
    return original.packed(image, rows, *original.texts, is_interlaced=True)


def _sixteen_bits(original: Original, noise: int = 0) -> bytes:
    """noise: added to the lower byte of the first colour."""
    image = original.image
    image = image.convert("RGBA") if image.mode == "P" else image
    file = original.saved(image, *original.texts, depth=16)
    if not noise:
        return file
    parts = dict(_chunks(file))
    data = bytearray(zlib.decompress(parts[b"IDAT"]))
    data[2] ^= noise
    packed = chunk(b"IDAT", zlib.compress(bytes(data), 9))
    return file.replace(chunk(b"IDAT", parts[b"IDAT"]), packed)


def _packed_text(original: Original) -> bytes:
    packed = []
    for _, content in _chunks(_SIGNATURE + b"".join(original.texts)):
        key, _, text = content.partition(b"\0")
        packed.append(chunk(b"zTXt", key + b"\0\0" + zlib.compress(text)))
    return original.saved(original.image, *packed)


def _usual(original: Original) -> bytes:
    """With chunks that say nothing but the usual."""
    background = {"L": 2, "RGB": 6, "P": 1}[original.image.mode]
    colours = 31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000
    return original.with_chunks(
        chunk(b"gAMA", struct.pack(">I", 45_455)),
        chunk(b"cHRM", struct.pack(">8I", *colours)),
        chunk(b"sRGB", b"\0"),
        chunk(b"bKGD", bytes(background)),
        chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1)),
        chunk(b"tIME", struct.pack(">HBBBBB", 2026, 12, 2, 6, 0, 0)),
    )


def _in_pieces(original: Original) -> bytes:
    file = original.with_chunks()
    data = dict(_chunks(file))[b"IDAT"]
    pieces = [chunk(b"IDAT", data[i : i + 99]) for i in range(0, len(data), 99)]
    return file.replace(chunk(b"IDAT", data), b"".join(pieces))


def _other(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


def _animated(original: Original, has_first: bool = True) -> bytes:
    """has_first: the picture itself is the first frame."""
    width, height = original.image.size

    def frame(number: int) -> bytes:
        place = struct.pack(">IIIIIHHBB", number, width, height, 0, 0, 1, 10, 0, 0)
        return chunk(b"fcTL", place)

    still = original.saved(_other(original.image))
    data = dict(_chunks(still))[b"IDAT"]
    first = [frame(0)] if has_first else []
    second = len(first)
    return original.with_chunks(
        chunk(b"acTL", struct.pack(">II", 1 + second, 0)),
        *first,
        behind=frame(second) + chunk(b"fdAT", struct.pack(">I", second + 1) + data),
    )


def _colour_key(original: Original) -> bytes:
    """A colour that is transparent."""
    content = {"L": bytes(2), "RGB": bytes(6), "P": bytes(256)}[original.image.mode]
    colours = [each for each in original.palette if each[4:8] == b"PLTE"]
    key = chunk(b"tRNS", content)
    return replace(original, palette=[*colours, key] if colours else []).saved(
        original.image, *original.texts, *([] if colours else [key])
    )


def _turned(original: Original) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 3
    return original.with_chunks(
        chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    )


def _turned_by_xmp(original: Original) -> bytes:
    packet = b'<x:xmpmeta><rdf:Description tiff:Orientation="3"/></x:xmpmeta>'
    return original.with_chunks(chunk(b"iTXt", _XMP + packet))


HONEST: Mapping[str, Callable[[Original], bytes | None]] = {
    "one-bit": _one_bit,
    "palette": _indexed,
    "colours": _in_colours,
    "opaque": _opaque,
    "sixteen-bits": _sixteen_bits,
    "interlaced": _interlaced,
    "text-behind": lambda it: it.saved(it.image, behind=b"".join(it.texts)),
    "packed-text": _packed_text,
    "usual-chunks": _usual,
    "in-pieces": _in_pieces,
}
NOT_IN_BROWSERS = "sixteen-bits", "interlaced", "packed-text"
FORGED: Mapping[str, Callable[[Original], bytes | None]] = {
    "animated": _animated,
    "animated-only": lambda it: _animated(it, has_first=False),
    "turned": _turned,
    "turned-by-xmp": _turned_by_xmp,
    "colour-key": _colour_key,
    "faint": lambda it: _with_opacity(it, 128),
    "brightened": lambda it: it.with_chunks(chunk(b"gAMA", struct.pack(">I", 454_550))),
    "low-bytes": lambda it: _sixteen_bits(it, noise=1),
    "second-picture": lambda it: it.with_chunks() + png(_other(it.image)),
}


ONCE = "packed-text", "in-pieces", "turned-by-xmp"
"""Ways that do not depend on the colours: of the grey picture alone."""


def main() -> None:
    sheet = ["command", "browser"]
    answers = {
        "0.2.png": ("mnist-diagonal-bilstm", sheet),
        "0.3.png": ("mnist-row-lstm-0.3", sheet),
        "0.3-palette.png": ("sprites", sheet),
        "0.4-service.png": (MODELS["grey"], EVERYBODY),
    }
    for kind, model in MODELS.items():
        name = f"0.4-{kind}.png"
        answers[name] = model, EVERYBODY
        original = Original.of((FOLDER / name).read_bytes())
        for way, make in {**HONEST, **FORGED}.items():
            file = make(original)
            if file is None or (way in ONCE and kind != "grey"):
                continue
            (FOLDER / f"{kind}-{way}.png").write_bytes(file)
            readers = EVERYBODY if way in HONEST else []
            if way in NOT_IN_BROWSERS:
                readers = ["command", "service"]
            answers[f"{kind}-{way}.png"] = model, readers
    lines = [
        f"  {json.dumps(name)}: {json.dumps({'model': model, 'verified_by': readers})}"
        for name, (model, readers) in answers.items()
    ]
    (FOLDER / "answers.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
