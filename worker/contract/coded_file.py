"""The head of a file of coded images, as far as it can be read without the model: docs/codec.md has the whole.

model_core/codec/container.py writes and reads all of it; a test holds the two to each other.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Self

MEDIA_TYPE = "application/vnd.pixelrnn"
ENDING = ".pxrn"
_MAGIC = b"PXRN"
_HEADERS = {1: struct.Struct(">4sBBBI32s8sI"), 2: struct.Struct(">4sBBBI32s32s8sI")}
"""Layouts by version, which is the first byte behind the magic."""
_CRC_BYTES = 4


class CodedFileError(ValueError):
    """It is no file of ours, or not whole; the text is a sentence that says why."""


@dataclass(frozen=True)
class CodedFile:
    """The beginning of a file of coded images."""

    digest: str
    """sha256 of the model's weights."""
    images: int
    identity: str = ""
    """The model's; empty in files of version 1."""

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Raises CodedFileError. What is behind the header is not looked at."""
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
                f"the file ends within its header or behind it: it has {len(data)} bytes"
            )
        _, _, _, _, images, digest, *identity, _, crc = header.unpack_from(data)
        if zlib.crc32(data[: header.size - _CRC_BYTES]) != crc:
            raise CodedFileError(
                "the file is damaged: the checksum of its header is wrong"
            )
        if not images:
            raise CodedFileError("the file holds no image: expected at least one")
        return cls(digest.hex(), images, b"".join(identity).hex())
