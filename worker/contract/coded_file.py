"""The header of a file of losslessly coded images, as far as it can be read without the
model.

docs/internals/codec.md describes the whole format, and model_core/codec/container.py reads and
writes it. A test compares the two.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Self

MEDIA_TYPE = "application/vnd.pixelrnn"
ENDING = ".pxrn"
_MAGIC = b"PXRN"
_HEADERS = {1: struct.Struct(">4sBBBI32s8sI"), 2: struct.Struct(">4sBBBI32s32s8sI")}
"""Layout of the header by version; the version is the first byte behind the magic
bytes."""
_CRC_BYTES = 4


class CodedFileError(ValueError):
    """The bytes are not a file of coded images, or not a whole one. The message is a
    sentence that states the reason."""


@dataclass(frozen=True)
class CodedFile:
    """The header of a file of coded images."""

    digest: str
    """SHA-256 of the weights of the model that coded it, in hexadecimal."""
    images: int
    """How many images the file contains; at least 1."""
    identity: str = ""
    """Identity of that model, in hexadecimal; empty in files of version 1."""

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Read the header of `data`, the bytes of a file. Its checksum is checked; the
        coded images behind it are not.

        Raises CodedFileError if this is not the header of a file of version 1 or 2 with
        at least one image.
        """
        if not data.startswith(_MAGIC):
            raise CodedFileError(
                "this is no file of coded images: it does not begin with PXRN"
            )
        version = data[len(_MAGIC)] if len(data) > len(_MAGIC) else 1
        if version not in _HEADERS:
            raise CodedFileError(
                f"the file is of version {version}: expected version 1 or 2"
            )
        header = _HEADERS[version]
        if len(data) <= header.size:
            raise CodedFileError(
                "the file ends within its header or behind it: "
                f"it has {len(data)} bytes"
            )
        _, _, _, _, images, digest, *identity, _, crc = header.unpack_from(data)
        if zlib.crc32(data[: header.size - _CRC_BYTES]) != crc:
            raise CodedFileError(
                "the file is damaged: the checksum of its header is wrong"
            )
        if not images:
            raise CodedFileError("the file holds no image: expected at least one")
        return cls(digest.hex(), images, b"".join(identity).hex())
