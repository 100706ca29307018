"""A picture that is an address: sample 0 of the seed that a name hashes to.

The service, the command and the JavaScript engine follow these rules, so that a name
gives the same pixels everywhere. docs/addresses.md describes them.
"""

import hashlib
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from worker.contract.jobs import JobSpec
from worker.contract.kind import Source

MAX_NAME = 200
"""Most characters of a name after NFC."""
MAX_SCALE = 32
"""Largest side of the square that a pixel becomes."""
FORMATS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"png": {}, "webp": {"lossless": True}}
)
"""Formats of the files, which are also the suffixes of addresses, and Pillow's options
of each."""


class AddressNameError(ValueError):
    """The text is no name of a picture. The message says what was expected."""


def normalised(name: str) -> str:
    """Return a name in NFC. Raises AddressNameError for a name that no address has."""
    name = unicodedata.normalize("NFC", name)
    # Cc: control characters; Cs: halves of surrogate pairs, which UTF-8 cannot encode.
    is_clean = all(
        letter not in "/\\" and unicodedata.category(letter) not in ("Cc", "Cs")
        for letter in name
    )
    if not is_clean or not 1 <= len(name) <= MAX_NAME:
        raise AddressNameError(
            f"name: expected 1 to {MAX_NAME} characters without / and \\, without "
            "control characters and without unpaired surrogates"
        )
    return name


def seed_of(name: str) -> int:
    """Return the seed of a name: the first 53 bits of SHA-256 of its NFC in UTF-8.
    Raises AddressNameError for a name that no address has."""
    digest = hashlib.sha256(normalised(name).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 11


def picture_file(
    spec: JobSpec,
    pixels: bytes,
    numerics: str,
    picture_format: str,
    scale: int = 1,
    name: str = "",
) -> bytes:
    """Return the file of an addressed picture. The same arguments give the same bytes
    with the same versions of Pillow, zlib and libwebp.

    spec: a job `sample` of one image, with the options of the address.
    pixels: height * width * channels bytes, as the job's rows contain them.
    numerics: the arithmetic that drew them.
    picture_format: one of FORMATS.
    scale: side of the square that each pixel becomes.
    name: written into a PNG as text; empty: not written, since names may be personal.
    """
    # Pillow is an extra, and the command reads the rules for names without it.
    from PIL import Image

    from worker.contract.picture_file import MODES, origin_of, picture_bytes

    image = Image.frombytes(MODES[spec.channels], (spec.width, spec.height), pixels)
    text = {
        **origin_of(spec, numerics),
        **spec.options.origin_of(0),
        "sample": "0",
        **({"name": normalised(name)} if name else {}),
    }
    return picture_bytes(
        image,
        picture_format,
        scale,
        text,
        Source.DRAWN,
        spec.palette,
        **FORMATS[picture_format],
    )
