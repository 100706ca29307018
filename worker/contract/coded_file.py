"""The head of a file of coded images, as far as it can be read without the model: docs/codec.md has the whole.

model_core/codec/container.py writes and reads all of it; a test holds the two to each other.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Self

MEDIA_TYPE = "application/vnd.pixelrnn"
ENDING = ".pxrn"
_MAGIC, _VERSION = b"PXRN", 1
_HEADER = struct.Struct(">4sBBBI32s8sI")
_CRC_BYTES = 4


class CodedFileError(ValueError):
    """It is no file of ours, or not whole; the text is a sentence that says why."""


@dataclass(frozen=True)
class CodedFile:
    """The beginning of a file of coded images."""

    digest: str
    """sha256 of the model's weights."""
    images: int

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Raises CodedFileError. What is behind the header is not looked at."""
        if not data.startswith(_MAGIC):
            raise CodedFileError("this is no file of coded images: it does not begin with PXRN")
        if len(data) <= _HEADER.size:
            raise CodedFileError(f"the file ends within its header or behind it: it has {len(data)} bytes")
        _, version, _, _, images, digest, _, crc = _HEADER.unpack_from(data)
        if version != _VERSION:
            raise CodedFileError(f"the file is of version {version}: expected version {_VERSION}")
        if zlib.crc32(data[: _HEADER.size - _CRC_BYTES]) != crc:
            raise CodedFileError("the file is damaged: the checksum of its header is wrong")
        if not images:
            raise CodedFileError("the file holds no image: expected at least one")
        return cls(digest.hex(), images)
