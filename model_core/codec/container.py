"""The bytes of a file of coded images. Knows no model.

    header    magic "PXRN", version, numerics, orientation of the member (one byte each), number of images (4 bytes),
              SHA-256 of the model's weights, its identity (from version 2 on), canary (8), CRC-32 of all that
    stripes   until all images are there: number of images, number of lanes, bytes of each lane (LEB128 each), CRC-32 of
              the values, the lanes, CRC-32 of the whole stripe

The first lane of a stripe begins with the labels of its images, where the model has any (pack_labels).

Numbers of fixed size are big-endian. A stripe holds at least one bit for each image, so that a short file cannot ask
for an endless number of them.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model_core.errors import DataError
from model_core.orientation import ORIENTATIONS, Orientation

MAGIC = b"PXRN"
NUMERICS = ("cpu-compiled",)
"""Names by their number in the file."""
MAX_LANES = 16
CANARY_BYTES = 8
LABELS_TOGETHER = 256
_HEADERS = {
    1: struct.Struct(f">4sBBBI32s{CANARY_BYTES}s"),
    2: struct.Struct(f">4sBBBI32s32s{CANARY_BYTES}s"),
}
"""Layouts by version, which is the first byte behind the magic."""
_CRC = struct.Struct(">I")
_LONGEST_NUMBER = 5
"""Bytes, of 7 bits each."""


@dataclass(frozen=True)
class Header:
    """Head of a file: the model and member that its images are coded with, and how many there are."""

    sha256: str
    """SHA-256 of the model's weights."""
    member: Orientation
    images: int
    canary: bytes
    numerics: str = NUMERICS[0]
    identity: str = ""
    """Identity of the model; empty in files of version 1."""

    @property
    def version(self) -> int:
        return 2 if self.identity else 1

    @property
    def size(self) -> int:
        """Bytes that it has."""
        return _HEADERS[self.version].size + _CRC.size

    def pack(self) -> bytes:
        """Its bytes."""
        numbers = (
            self.version,
            NUMERICS.index(self.numerics),
            ORIENTATIONS.index(self.member),
            self.images,
        )
        names = (bytes.fromhex(name) for name in (self.sha256, self.identity) if name)
        packed = _HEADERS[self.version].pack(MAGIC, *numbers, *names, self.canary)
        return packed + _CRC.pack(zlib.crc32(packed))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read the head at the beginning of a file. Raises DataError if it is none of ours, of a later version, or
        damaged."""
        if not data.startswith(MAGIC):
            raise DataError(
                "this is no file of coded images: it does not begin with PXRN"
            )
        version = data[len(MAGIC)] if len(data) > len(MAGIC) else 1
        if version not in _HEADERS:
            raise DataError(
                f"the file is of version {version}: expected version {' or '.join(map(str, _HEADERS))}"
            )
        size = _HEADERS[version].size + _CRC.size
        if len(data) < size:
            raise DataError(
                f"the file ends within its header: it has {len(data)} bytes"
            )
        _, _, numerics, member, images, digest, *identity, canary = _HEADERS[
            version
        ].unpack_from(data)
        _check_crc(data[:size], "header")
        if numerics >= len(NUMERICS):
            raise DataError(
                f"the file was coded with an arithmetic that is not known here: number {numerics}"
            )
        if member >= len(ORIENTATIONS) or not images:
            raise DataError(
                "the file's header makes no sense: expected an orientation, and at least one image"
            )
        return cls(
            digest.hex(),
            ORIENTATIONS[member],
            images,
            canary,
            NUMERICS[numerics],
            b"".join(identity).hex(),
        )


@dataclass(frozen=True)
class Stripe:
    """Some images of a file, which can be decoded without the others."""

    images: int
    lanes: list[bytes]
    values_crc: int
    """CRC-32 of their values (n, C, H, W), the right way up, a byte each."""

    def pack(self) -> bytes:
        """Its bytes."""
        lanes = [self.lanes[0].ljust(self._lacking(), b"\0"), *self.lanes[1:]]
        numbers = b"".join(
            _number(n) for n in (self.images, len(lanes), *map(len, lanes))
        )
        packed = b"".join([numbers, _CRC.pack(self.values_crc), *lanes])
        return packed + _CRC.pack(zlib.crc32(packed))

    def _lacking(self) -> int:
        """How long the first lane must be for one bit an image."""
        return -(-self.images // 8) - sum(map(len, self.lanes[1:]))

    @classmethod
    def unpack(cls, data: bytes, begin: int) -> tuple[Self, int]:
        """The stripe that begins there, and where it ends; DataError when it is damaged."""
        images, at = _read_number(data, begin)
        count, at = _read_number(data, at)
        if not 1 <= count <= MAX_LANES or images < count:
            raise DataError(
                f"a stripe has {images} images in {count} lanes: expected 1 to {MAX_LANES}, none without one"
            )
        lengths = []
        for _ in range(count):
            length, at = _read_number(data, at)
            lengths.append(length)
        end = at + _CRC.size + sum(lengths) + _CRC.size
        if end > len(data):
            raise DataError(
                f"the file ends within a stripe; bytes missing: {end - len(data)}"
            )
        _check_crc(data[begin:end], "stripe")
        if images > 8 * sum(lengths):
            raise DataError(
                f"a stripe claims {images} images in {sum(lengths)} bytes: expected at least a bit each"
            )
        (values_crc,) = _CRC.unpack_from(data, at)
        lanes, at = [], at + _CRC.size
        for length in lengths:
            lanes.append(data[at : at + length])
            at += length
        return cls(images, lanes, values_crc), end


def pack(header: Header, stripes: list[Stripe]) -> bytes:
    """A whole file."""
    return b"".join([header.pack(), *(stripe.pack() for stripe in stripes)])


def unpack(data: bytes) -> tuple[Header, list[Stripe]]:
    """Read a file and check all its sums. Raises DataError if it is none of ours, cut off or damaged."""
    header, stripes, found = Header.unpack(data), list[Stripe](), 0
    at = header.size
    while found < header.images:
        stripe, at = Stripe.unpack(data, at)
        stripes.append(stripe)
        found += stripe.images
    if found > header.images or at != len(data):
        raise DataError(
            f"the file holds more than the {header.images} images that it says"
        )
    return header, stripes


def _check_crc(data: bytes, part: str) -> None:
    (crc,) = _CRC.unpack_from(data, len(data) - _CRC.size)
    if zlib.crc32(data[: -_CRC.size]) != crc:
        raise DataError(f"the file is damaged: the checksum of a {part} is wrong")


def _number(n: int) -> bytes:
    """LEB128: seven bits a byte, the lowest first; the highest bit says that more follow."""
    packed = bytearray()
    while n >= 0x80:
        packed.append(n & 0x7F | 0x80)
        n >>= 7
    packed.append(n)
    return bytes(packed)


def _read_number(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, and where it ends."""
    n = 0
    for i in range(_LONGEST_NUMBER):
        if at + i >= len(data):
            raise DataError("the file ends within a stripe")
        n |= (data[at + i] & 0x7F) << 7 * i
        if data[at + i] < 0x80:
            return n, at + i + 1
    raise DataError("the file is damaged: a number in it is too long")


def pack_labels(labels: NDArray[np.int64], count: int) -> bytes:
    """Labels (n,), each below `count`, as digits of one number for each LABELS_TOGETHER: log2 count bits a label, and
    less than a byte a number."""
    packed = bytearray()
    for first in range(0, len(labels), LABELS_TOGETHER):
        number, part = 0, labels[first : first + LABELS_TOGETHER].tolist()
        for label in part:
            number = number * count + label
        packed += number.to_bytes(_label_bytes(len(part), count))
    return bytes(packed)


def unpack_labels(
    data: bytes, images: int, count: int
) -> tuple[NDArray[np.int64], bytes]:
    """The labels of so many images at the beginning of data, and what follows; DataError when data is too short or no
    such number."""
    labels, at = np.zeros(images, np.int64), 0
    for first in range(0, images, LABELS_TOGETHER):
        last = min(first + LABELS_TOGETHER, images)
        end = at + _label_bytes(last - first, count)
        if end > len(data):
            raise DataError("the file ends within the labels of its images")
        number, at = int.from_bytes(data[at:end]), end
        for i in range(last - 1, first - 1, -1):
            number, labels[i] = divmod(number, count)
        if number:
            raise DataError("the file is damaged: a label is none of the model's")
    return labels, data[at:]


def _label_bytes(images: int, count: int) -> int:
    return ((count**images - 1).bit_length() + 7) // 8
