"""Copies an untrusted .npz to train on to a new file, with checked arrays only and
without compression.

The training process reads the copy with NumPy (model_core/data/arrays.py and
binarized_mnist.py). It contains the arrays `train`, `valid` and `test`, or a single
array of any name, their labels, `label_names` and `palette`; other arrays are left out.
"""

import math
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.errors import UnusableImageError
from app.imaging.npy import (
    MOST_PREFIX,
    Header,
    is_array,
    npy_header,
    read_header,
)
from app.imaging.zipped import Archive, Entry

SUFFIX = ".npy"
_SPLITS = "train", "valid", "test"
_LABELS = "labels", *(f"{split}_labels" for split in _SPLITS)
_NAMES, _PALETTE = "label_names", "palette"
_SINGLE = "images"
"""New name of a single array, because a client's name must not name a file here."""
_PACKED_BITS = 28 * 28 // 8
"""Bytes of an image of binarized MNIST, with eight pixels in a byte."""
_MOST_STRINGS = 2**20
"""Most bytes of label names, or of a palette, which are held in memory."""
_WHOLE_NUMBERS = "iub"
_ORDERS = {"<": "utf-32-le", ">": "utf-32-be", "=": "utf-32-le", "|": "utf-32-le"}
"""Byte order of NumPy's strings -> encoding; = is the order of the machine that wrote
them, which is almost always <."""


@dataclass(frozen=True)
class _Stored:
    """An array in the client's archive."""

    name: str
    entry: Entry
    header: Header


def write_training_arrays(archive: Archive, path: Path, most_pictures: int) -> int:
    """Write the arrays of a client's .npz to a new file, and return their number of
    pictures.

    path: the new file, which must not exist.

    Raises UnusableImageError for arrays that no network can be trained on, or more than
    `most_pictures` pictures; BadUploadError or DamagedZipError for broken ones; and
    OSError.
    """
    arrays = [_stored(archive, entry) for entry in archive.files]
    pictures = _pictures_of(arrays)
    count = sum(array.header.shape[0] for array in pictures)
    if count > most_pictures:
        raise UnusableImageError(
            f"there are more than {most_pictures} pictures: the arrays have {count}"
        )

    with zipfile.ZipFile(path, "x") as written:
        for array in [*pictures, *_beside(arrays)]:
            is_text = array.header.kind == "U"
            blocks = _content(archive, array)
            if is_text:
                blocks = iter([_checked_text(b"".join(blocks), array)])
            with written.open(zipfile.ZipInfo(f"{array.name}{SUFFIX}"), "w") as file:
                file.write(_new_header(array.header))
                for block in blocks:
                    file.write(block)
    return count


def _stored(archive: Archive, entry: Entry) -> _Stored:
    """Read the header of an array, and compare its size with the entry's."""
    name = "/".join(entry.path).removesuffix(SUFFIX)
    prefix = b""
    for block in archive.blocks(entry):
        prefix += block
        if len(prefix) >= MOST_PREFIX:
            break
    if not is_array(prefix):
        raise UnusableImageError(
            "a file in the .npz is no array: expected .npy files as numpy.savez writes "
            "them"
        )
    header = read_header(prefix[:MOST_PREFIX])
    if header.content_size != entry.size - header.offset:
        raise UnusableImageError(
            "an array of the .npz does not have as many bytes as its header says"
        )
    return _Stored(name, entry, header)


def _pictures_of(arrays: Sequence[_Stored]) -> list[_Stored]:
    """Return the arrays of pictures: those named after splits, or the single one, under
    its new name."""
    pictures = [array for array in arrays if array.name in _SPLITS]
    if not pictures:
        pictures = [
            replace(array, name=_SINGLE)
            for array in arrays
            if "label" not in array.name and array.name != _PALETTE
        ]
        if len(pictures) != 1:
            raise UnusableImageError(
                "expected an .npz of arrays train, valid and test, or of one single"
                f" array beside labels and palette, not of {len(pictures)}"
            )
    for array in pictures:
        _expect_pictures(array)
    return pictures


def _expect_pictures(array: _Stored) -> None:
    header = array.header
    shape = header.shape
    is_of_bytes = (header.kind, header.length) in (("u", 1), ("b", 1))
    is_grey = len(shape) == 3
    is_coloured = len(shape) == 4 and shape[3] in (1, 3)
    # A single array of bits, or one of booleans, has no reader.
    is_of_bits = (
        len(shape) == 2
        and shape[1] == _PACKED_BITS
        and array.name in _SPLITS
        and header.kind == "u"
    )
    is_one_sort = is_grey or is_coloured or is_of_bits
    if not (is_of_bytes and is_one_sort and math.prod(shape[1:])) or header.is_fortran:
        raise UnusableImageError(
            "expected arrays of pictures (N, H, W) or (N, H, W, C) with 1 or 3 colours,"
            " of bytes (uint8) or booleans in C order"
        )


def _beside(arrays: Sequence[_Stored]) -> list[_Stored]:
    """Return the arrays beside the pictures: labels, their names and a palette."""
    found = []
    for array in arrays:
        header = array.header
        is_list = len(header.shape) == 1
        if array.name in _LABELS:
            if not is_list or header.kind not in _WHOLE_NUMBERS or header.length > 8:
                raise UnusableImageError(
                    f"{array.name}: expected whole numbers (N,), one for each picture"
                )
            found.append(array)
        elif array.name in (_NAMES, _PALETTE):
            if not is_list or header.kind != "U":
                raise UnusableImageError(
                    f"{array.name}: expected a list of strings, as numpy.array makes of"
                    " Python's"
                )
            if header.content_size > _MOST_STRINGS:
                raise UnusableImageError(
                    f"{array.name}: expected at most {_MOST_STRINGS} bytes"
                )
            found.append(array)
    return found


def _content(archive: Archive, array: _Stored) -> Iterator[bytes]:
    """Yield the content of an array, without its header."""
    skipped = array.header.offset
    for block in archive.blocks(array.entry):
        part = block[skipped:]
        skipped -= len(block) - len(part)
        if part:
            yield part


def _checked_text(content: bytes, array: _Stored) -> bytes:
    """Return strings in little-endian order. Raises UnusableImageError for numbers that
    are no characters."""
    try:
        text = content.decode(_ORDERS[array.header.order])
    except UnicodeDecodeError:
        raise UnusableImageError(
            f"{array.name}: expected strings of Unicode characters"
        ) from None
    return text.encode("utf-32-le")


def _new_header(header: Header) -> bytes:
    order = "<" if header.kind == "U" else header.order
    return npy_header(f"{order}{header.kind}{header.length}", header.shape)
