"""Writes a drawn picture as a file, with the text that says how to draw it again and
the mark of its source."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from worker.contract.jobs import JobSpec
from worker.contract.kind import Source

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Pillow's mode of a picture by its channels."""
MOST = 256
"""Most colours of a palette."""
_GAP = bytes((128, 128, 128, 255))
_CLEAR = bytes(4)
PNG_KEYWORD = "XML:com.adobe.xmp"
"""Keyword of the PNG chunk (iTXt) that contains an XMP packet."""
# The digital source type of a picture, in IPTC's vocabulary.
_PACKET = """<?xpacket begin="﻿" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta
    xmlns:x="adobe:ns:meta/"><rdf:RDF
    xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
    rdf:about=""
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"><Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/{term}</Iptc4xmpExt:DigitalSourceType></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket
    end="r"?>"""


def picture_bytes(
    image: Image.Image,
    kind: str,
    scale: int,
    text: Mapping[str, str],
    source: Source | None,
    palette: Sequence[str],
    **options: Any,
) -> bytes:
    """Return the file of a picture.

    image: one pixel for each pixel; of a model of categories, an image of its values.
    kind: Pillow's name of the format: png, webp or jpeg.
    scale: side of the square that each pixel becomes.
    text: text chunks of a PNG, by keyword; other formats drop them.
    source: the mark in the file; None for none.
    palette: the colour of each value; empty without categories.
    options: further ones of Pillow.
    """
    mark = "" if source is None else packet_of(source)
    if kind == "png":
        options["pnginfo"] = _chunks(text, mark)
    elif mark:
        options["xmp"] = mark.encode()
    if palette:
        # Some versions of Pillow write fewer bits for each pixel if there are few
        # colours; others write 8.
        options["bits"] = 8

    size = image.width * scale, image.height * scale
    large = image.resize(size, Image.Resampling.NEAREST)
    if palette:
        large = with_palette(large, palette)
    out = io.BytesIO()
    large.save(out, kind, **options)
    return out.getvalue()


def _chunks(text: Mapping[str, str], mark: str) -> PngInfo:
    info = PngInfo()
    for key, value in text.items():
        info.add_text(key, value)
    if mark:
        info.add_itxt(PNG_KEYWORD, mark)
    return info


def packet_of(source: Source) -> str:
    """Return the XMP packet that marks a file with its digital source type, one of
    IPTC's. It is the same in all file formats."""
    return _PACKET.format(term=source.value)


def origin_of(spec: JobSpec, numerics: str | None = None) -> dict[str, str]:
    """Return the text chunks, by keyword, that say how to draw the pictures of a job
    again; provenance.py parses them.

    numerics: the arithmetic that drew them; None if it is unknown.
    """
    origin = {
        "kind": spec.kind,
        **model_text(spec),
        "seed": str(spec.seed),
        "temperature": repr(spec.temperature),
    }
    origin |= spec.options.origin()
    return origin if numerics is None else {**origin, "numerics": numerics}


def model_text(spec: JobSpec) -> dict[str, str]:
    """Return the text chunks that name the model. Jobs of earlier versions have no
    identity."""
    identity = {"identity": spec.identity} if spec.identity else {}
    return {"model": spec.model, "digest": spec.digest, **identity}


def with_palette(values: Image.Image, palette: Sequence[str]) -> Image.Image:
    """Return a copy of an image of values (mode L) as a picture with the palette. The
    value after the last one becomes the grey between pictures."""
    colours = [*colours_of(palette), _GAP][:MOST]
    picture = values.copy()
    picture.putpalette(b"".join(colour[:3] for colour in colours))
    opacity = bytes(colour[3] for colour in colours)
    if min(opacity) < 255:
        picture.info["transparency"] = opacity
    return picture


def colours_of(palette: Sequence[str]) -> list[bytes]:
    """Return red, green, blue and opacity of each colour; all completely transparent
    colours are the same."""
    return [one_transparent(bytes.fromhex(f"{colour[1:]:f<8}")) for colour in palette]


def one_transparent(pixel: bytes) -> bytes:
    """Return a pixel of four bytes, or four zeros if it is completely transparent."""
    return pixel if pixel[3] else _CLEAR
