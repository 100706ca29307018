"""The format of a file of coded images. This file knows no model.

    header    magic "PXRN"; version, numerics, orientation of the member (one byte
              each); number of images (4 bytes); SHA-256 of the model's weights; its
              identity (from version 2 on); canary (8); CRC-32 of all of these
    stripes   until all images are there: number of images, number of lanes, bytes of
              each lane (LEB128 each), CRC-32 of the values, the lanes, CRC-32 of the
              whole stripe

In a model with labels, the first lane of a stripe begins with the labels of its images
(pack_labels).

Numbers of fixed size are big-endian. A stripe has at least one bit for each image, so
that a short file cannot claim an enormous number of them.
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
"""Names of the arithmetics, by their number in the file."""
MAX_LANES = 16
"""Lanes of a stripe, at most."""
CANARY_BYTES = 8
"""Bytes of a canary."""
LABELS_TOGETHER = 256
"""Labels that are packed into one number, at most."""
_HEADERS = {
    1: struct.Struct(f">4sBBBI32s{CANARY_BYTES}s"),
    2: struct.Struct(f">4sBBBI32s32s{CANARY_BYTES}s"),
}
"""Layouts by version, which is the first byte after the magic."""
_CRC = struct.Struct(">I")
_LONGEST_NUMBER = 5
"""Bytes of a LEB128 number, at most; each has 7 bits of it."""


@dataclass(frozen=True)
class Header:
    """The header of a file: which model and member encoded the images, and how many
    there are."""

    sha256: str
    """SHA-256 of the model's weights."""
    member: Orientation
    """Orientation of the member."""
    images: int
    """Number of images."""
    canary: bytes
    """Digest by which a decoder checks that it computes the same bits."""
    numerics: str = NUMERICS[0]
    identity: str = ""
    """Identity of the model; empty in files of version 1."""

    @property
    def version(self) -> int:
        """Version of the file's format: 2 if it names an identity, else 1."""
        return 2 if self.identity else 1

    @property
    def size(self) -> int:
        """Number of bytes of the packed header."""
        return _HEADERS[self.version].size + _CRC.size

    def pack(self) -> bytes:
        """Return the header as bytes, with its CRC."""
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
        """Return the header at the beginning of a file's bytes. Raise DataError if they
        are no file of coded images, of a later version, or damaged."""
        if not data.startswith(MAGIC):
            raise DataError(
                "this is no file of coded images: it does not begin with PXRN"
            )
        version = data[len(MAGIC)] if len(data) > len(MAGIC) else 1
        if version not in _HEADERS:
            versions = " or ".join(map(str, _HEADERS))
            raise DataError(
                f"the file is of version {version}: expected version {versions}"
            )
        size = _HEADERS[version].size + _CRC.size
        if len(data) < size:
            raise DataError(
                f"the file ends within its header: it has {len(data)} bytes"
            )
        fields = _HEADERS[version].unpack_from(data)
        _, _, numerics, member, images, digest, *identity, canary = fields
        _check_crc(data[:size], "header")
        if numerics >= len(NUMERICS):
            raise DataError(
                "the file was coded with an arithmetic that is not known here: number "
                f"{numerics}"
            )
        if member >= len(ORIENTATIONS) or not images:
            raise DataError(
                "the file's header makes no sense: expected an orientation, and at "
                "least one image"
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
    """Some images of a file, which can be decoded without the other stripes."""

    images: int
    """Number of images."""
    lanes: list[bytes]
    """Code of each lane."""
    values_crc: int
    """CRC-32 of the values (n, C, H, W) of the upright images, one byte each."""

    def pack(self) -> bytes:
        """Return the stripe as bytes, with its CRC."""
        # Zeros at the end of a lane have no meaning; see the module's docstring for
        # why a stripe needs a bit for each image.
        first = self.lanes[0].ljust(self._least_of_first(), b"\0")
        lanes = [first, *self.lanes[1:]]
        numbers = (self.images, len(lanes), *map(len, lanes))
        head = b"".join(map(_number, numbers))
        packed = b"".join([head, _CRC.pack(self.values_crc), *lanes])
        return packed + _CRC.pack(zlib.crc32(packed))

    def _least_of_first(self) -> int:
        """Return how many bytes the first lane must have so that the stripe has one bit
        for each image."""
        return -(-self.images // 8) - sum(map(len, self.lanes[1:]))

    @classmethod
    def unpack(cls, data: bytes, begin: int) -> tuple[Self, int]:
        """Return the stripe that begins at the offset `begin`, and the offset after it.
        Raise DataError if it is damaged."""
        images, at = _read_number(data, begin)
        count, at = _read_number(data, at)
        if not 1 <= count <= MAX_LANES or images < count:
            raise DataError(
                f"a stripe has {images} images in {count} lanes: expected 1 to "
                f"{MAX_LANES} lanes, none of them without an image"
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
                f"a stripe claims {images} images in {sum(lengths)} bytes: expected at "
                "least a bit each"
            )
        (values_crc,) = _CRC.unpack_from(data, at)
        at += _CRC.size
        lanes = []
        for length in lengths:
            lanes.append(data[at : at + length])
            at += length
        return cls(images, lanes, values_crc), end


def pack(header: Header, stripes: list[Stripe]) -> bytes:
    """Return the bytes of a file."""
    return b"".join([header.pack(), *(stripe.pack() for stripe in stripes)])


def unpack(data: bytes) -> tuple[Header, list[Stripe]]:
    """Return the header and the stripes of a file's bytes, after checking all CRCs.
    Raise DataError if they are no file of coded images, truncated, or damaged."""
    header = Header.unpack(data)
    at = header.size
    stripes: list[Stripe] = []
    count = 0
    while count < header.images:
        stripe, at = Stripe.unpack(data, at)
        stripes.append(stripe)
        count += stripe.images
    if count > header.images or at != len(data):
        raise DataError(
            f"the file holds more than the {header.images} images that it says"
        )
    return header, stripes


def _check_crc(data: bytes, part: str) -> None:
    """Raise DataError if the last four bytes are not the CRC-32 of the others.

    part: what they are, for the message.
    """
    (crc,) = _CRC.unpack_from(data, len(data) - _CRC.size)
    if zlib.crc32(data[: -_CRC.size]) != crc:
        raise DataError(f"the file is damaged: the checksum of a {part} is wrong")


def _number(n: int) -> bytes:
    """Return a number as LEB128: seven bits per byte, the lowest first; the highest bit
    is set if another byte follows."""
    packed = bytearray()
    while n >= 0x80:
        packed.append(n & 0x7F | 0x80)
        n >>= 7
    packed.append(n)
    return bytes(packed)


def _read_number(data: bytes, at: int) -> tuple[int, int]:
    """Return the LEB128 number at the offset `at`, and the offset after it. Raise
    DataError if it is truncated or too long."""
    n = 0
    for i in range(_LONGEST_NUMBER):
        if at + i >= len(data):
            raise DataError("the file ends within a stripe")
        n |= (data[at + i] & 0x7F) << 7 * i
        if data[at + i] < 0x80:
            return n, at + i + 1
    raise DataError("the file is damaged: a number in it is too long")


def pack_labels(labels: NDArray[np.int64], count: int) -> bytes:
    """Return labels (n,), each in 0..count-1, as bytes.

    Up to LABELS_TOGETHER labels are the digits, in base `count`, of one number. This
    takes log2 count bits per label, and less than a byte more per number.
    """
    packed = bytearray()
    for first in range(0, len(labels), LABELS_TOGETHER):
        part = labels[first : first + LABELS_TOGETHER].tolist()
        number = 0
        for label in part:
            number = number * count + label
        packed += number.to_bytes(_label_bytes(len(part), count))
    return bytes(packed)


def unpack_labels(
    data: bytes, images: int, count: int
) -> tuple[NDArray[np.int64], bytes]:
    """Return the labels (images,), each in 0..count-1, at the beginning of `data`, and
    the bytes after them. Raise DataError if `data` is too short or no packed labels."""
    labels = np.zeros(images, np.int64)
    at = 0
    for first in range(0, images, LABELS_TOGETHER):
        last = min(first + LABELS_TOGETHER, images)
        end = at + _label_bytes(last - first, count)
        if end > len(data):
            raise DataError("the file ends within the labels of its images")
        number = int.from_bytes(data[at:end])
        at = end
        for i in range(last - 1, first - 1, -1):
            number, labels[i] = divmod(number, count)
        if number:
            raise DataError("the file is damaged: a label is none of the model's")
    return labels, data[at:]


def _label_bytes(images: int, count: int) -> int:
    """Return the bytes of the number that packs the labels of this many images."""
    return ((count**images - 1).bit_length() + 7) // 8
