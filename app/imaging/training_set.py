"""Writes untrusted pictures to train on to a directory: from a zip whose folders are
labels, from an .npz, or from single files.

No written file has a client's name, except folders, whose names are labels. A request
that cannot be used is refused with a sentence. Files that are not pictures, or have an
unsupported size, are counted and left out.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from PIL import Image

from app.errors import UnusableImageError
from app.imaging.decode import (
    BOMB,
    BROKEN,
    MAX_PIXELS,
    format_of,
    one_large_at_a_time,
)
from app.imaging.training_arrays import SUFFIX, write_training_arrays
from app.imaging.zipped import (
    BEGINNING,
    Allowance,
    Archive,
    DamagedZipError,
    Entry,
    TooMuchInZipError,
)

MOST_BYTES = 64 * 2**20
"""Most bytes of all files, unpacked."""
_MOST_PICTURES = 20_000
_MOST_ENTRIES = 25_000
_MOST_LABEL = 60
"""Most characters of a label; its folder's name may have 255 bytes."""
_SIDES = range(2, 4097)
_FORMATS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "GIF": "gif", "BMP": "bmp"}
_JPEG_END = b"\xff\xd9"
_SIZES = "expected 2 to 4096 pixels a side, 2048 x 2048 in all"
_BLOCK = 2**16
LEAST_PICTURES = 3
"""Number of different pictures that a training needs: one to learn from, and one each
to hold back for validation and test. Crops need one, of which parts are held back."""
_NAMED_UNREADABLE = 10
"""Most files that cannot be read whose names are reported."""
_NAMED_UNSUPPORTED = 5
"""Most pictures of an unsupported size whose names are reported."""
_LONGEST_NAME = 100
_MOST_HEADER = 20 * 2**20
"""Most bytes that are read to find a picture's size: all of a WebP, which may have 17
MiB if it is 2048 x 2048 pixels of noise; of others the part before the pixels."""

ExpectRoom = Callable[[int], None]
"""Raises a RefusedError unless so many bytes may be written."""


class TrainingSet(NamedTuple):
    """What was written from the files of a request."""

    pictures: int
    """Number of pictures; 0 for an .npz."""
    unreadable: int = 0
    """Number of files that are no pictures that can be read, and were left out."""
    unreadable_names: tuple[str, ...] = ()
    """Names of the first of these."""
    unsupported: int = 0
    """Number of pictures of an unsupported size, which were left out."""
    unsupported_names: tuple[str, ...] = ()
    """Names of the first of these."""


def write_training_set(
    files: Sequence[BinaryIO],
    place: Path,
    expect_room: ExpectRoom,
    least: int = LEAST_PICTURES,
) -> TrainingSet:
    """Write the files of a request to the folder place/pictures, or an .npz to the file
    place/pictures.npz, and return what was written.

    expect_room: called with the unpacked bytes of a zip before its files are written;
        it raises RefusedError if there is no room.
    least: number of different pictures that are needed.

    Raises UnusableImageError or BadUploadError for files that cannot be used, and
    OSError.
    """
    for file in files:
        file.seek(0)
    is_zip = len(files) == 1 and files[0].read(len(BEGINNING)) == BEGINNING
    files[0].seek(0)
    if not is_zip:
        single = (
            (f"picture {number}", "", _blocks_of(file))
            for number, file in enumerate(files, 1)
        )
        return _write(single, place, least)
    try:
        return _write_zip(files[0], place, expect_room, least)
    except DamagedZipError:
        raise UnusableImageError(
            "the zip cannot be read: it is damaged or encrypted"
        ) from None
    except TooMuchInZipError:
        raise UnusableImageError(
            f"the zip has more than {_MOST_ENTRIES} entries, or more than {MOST_BYTES}"
            " bytes, unpacked"
        ) from None


def _write_zip(
    file: BinaryIO, place: Path, expect_room: ExpectRoom, least: int
) -> TrainingSet:
    archive = Archive(file, Allowance(_MOST_ENTRIES, MOST_BYTES))
    entries = archive.files
    expect_room(sum(entry.size for entry in entries))
    is_npz = all(PurePosixPath(entry.path[-1]).suffix == SUFFIX for entry in entries)
    if entries and is_npz:
        count = write_training_arrays(archive, place / "pictures.npz", _MOST_PICTURES)
        _expect_enough(count, least)
        return TrainingSet(0)
    around = _folders_around(entries)
    return _write(
        (
            (
                "/".join(entry.path),
                "".join(entry.path[around:-1][:1]),
                archive.blocks(entry),
            )
            for entry in entries
        ),
        place,
        least,
    )


def _folders_around(entries: Sequence[Entry]) -> int:
    """Return how many folders surround all files, and so are no labels."""
    folders = {entry.path[:-1] for entry in entries}
    around = 0
    while (
        all(len(folder) > around for folder in folders)
        and len({folder[around] for folder in folders}) == 1
    ):
        around += 1
    return around


def _blocks_of(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


@dataclass
class _Found:
    """The pictures of a request so far."""

    labels: list[tuple[str, str]] = field(default_factory=list)
    """Label and new name of each picture."""
    different: set[bytes] = field(default_factory=set)
    """Digests of the pictures, so that copies count once."""
    unreadable: list[str] = field(default_factory=list)
    """Names of files that are no pictures that can be read."""
    unsupported: list[str] = field(default_factory=list)
    """Names of pictures whose size is not supported."""


def _write(
    files: Iterable[tuple[str, str, Iterator[bytes]]], place: Path, least: int
) -> TrainingSet:
    """Write pictures to place/pictures, with a folder for each label.

    files: name, label and content of each file. If one picture has no label, none has
        one and no folder is made.
    """
    flat = place / "unsorted"
    flat.mkdir()
    found = _Found()
    left = MOST_BYTES
    for called, label, blocks in files:
        draft = flat / "draft"
        with draft.open("wb") as file:
            for block in blocks:
                left -= len(block)
                if left < 0:
                    raise UnusableImageError(
                        f"the files have more than {MOST_BYTES} bytes, unpacked"
                    )
                file.write(block)
        _take(draft, called, label, found)
    (flat / "draft").unlink(missing_ok=True)
    unreadable = _printable(found.unreadable[:_NAMED_UNREADABLE])
    unsupported = _printable(found.unsupported[:_NAMED_UNSUPPORTED])
    if not found.labels:
        raise UnusableImageError(_no_picture(unsupported, unreadable))
    _expect_enough(len(found.different), least)
    # A label may be a file's name, so there are folders only if all have labels.
    _sort(flat, found.labels, place / "pictures")
    return TrainingSet(
        len(found.labels),
        len(found.unreadable),
        unreadable,
        len(found.unsupported),
        unsupported,
    )


def _take(draft: Path, called: str, label: str, found: _Found) -> None:
    """Keep a file under a new name if it is a picture that can be trained on."""
    try:
        ending = _ending(draft)
    except _UnsupportedSizeError:
        found.unsupported.append(called)
        return
    if ending is None:
        found.unreadable.append(called)
        return
    if len(found.labels) == _MOST_PICTURES:
        raise UnusableImageError(f"there are more than {_MOST_PICTURES} pictures")
    _expect_label(label)
    with draft.open("rb") as file:
        found.different.add(file_digest(file, "sha256").digest())
    name = f"{len(found.labels) + 1:05}.{ending}"
    draft.rename(draft.with_name(name))
    found.labels.append((label, name))


def _expect_enough(different: int, least: int) -> None:
    if different < least:
        are = "is 1" if different == 1 else f"are {different}"
        raise UnusableImageError(
            f"there {are}: expected {least} different pictures or more, or crops=true, "
            "which takes parts of one large picture"
        )


def _no_picture(unsupported: Sequence[str], unreadable: Sequence[str]) -> str:
    if unsupported:
        return (
            f"no picture has a size that is supported ({', '.join(unsupported)}): they are "
            f"too small or large: {_SIZES}"
        )
    none = "there is no picture"
    if unreadable:
        none = f"none of the files can be read as a picture ({', '.join(unreadable)})"
    return f"{none}: expected {', '.join(_FORMATS)} files, or an .npz of arrays"


def _printable(names: Sequence[str]) -> tuple[str, ...]:
    """Return a client's file names in a form that can be shown to the client."""
    return tuple(
        "".join(char if char.isprintable() else "?" for char in name)[-_LONGEST_NAME:]
        for name in names
    )


def _expect_label(label: str) -> None:
    if len(label) > _MOST_LABEL or not label.isprintable():
        raise UnusableImageError(
            "a folder's name is no label: "
            f"expected at most {_MOST_LABEL} printable characters"
        )


def _sort(flat: Path, labels: Sequence[tuple[str, str]], folder: Path) -> None:
    """Move the pictures of a folder into folders named after their labels; leave them
    together if one has no label."""
    if not all(label for label, _ in labels):
        flat.rename(folder)
        return
    folder.mkdir()
    for label in {label for label, _ in labels}:
        (folder / label).mkdir()
    for label, name in labels:
        (flat / name).rename(folder / label / name)
    flat.rmdir()


class _UnsupportedSizeError(Exception):
    """The picture is too small or too large to be trained on."""


class _Beginning(io.BufferedReader):
    """A file of which Pillow can read at most _MOST_HEADER bytes while it opens a
    picture, because it keeps all chunks and segments before the pixels in memory."""

    def __init__(self, file: io.FileIO) -> None:
        super().__init__(file)
        self._left = _MOST_HEADER

    def lift_limit(self) -> None:
        """Let all of the file be read from now on."""
        self._left = MOST_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as usual. Raises OSError beyond the limit."""
        wanted = size if size is not None and size >= 0 else self._left + 1
        data = super().read(min(wanted, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise OSError("the picture has a header that is too long")
        return data


def _ending(path: Path) -> str | None:
    """Return the file name extension for a picture, judged by its bytes, or None if it
    is no picture, or one that is cut off.

    Raises _UnsupportedSizeError for a picture that is too small or too large.
    """
    try:
        with (
            one_large_at_a_time(path.stat().st_size),
            _Beginning(path.open("rb", buffering=0)) as file,
            Image.open(file, formats=tuple(_FORMATS)) as image,
        ):
            width, height = image.size
            if (
                width not in _SIDES
                or height not in _SIDES
                or width * height > MAX_PIXELS
            ):
                raise _UnsupportedSizeError
            file.lift_limit()
            found = format_of(image)
            return _FORMATS[found] if _is_whole(image, found, file) else None
    except BOMB:
        raise _UnsupportedSizeError from None
    except BROKEN:
        return None


def _is_whole(image: Image.Image, found: str, file: io.BufferedReader) -> bool:
    """Return True if an opened picture of this format is not cut off. Raises one of
    BROKEN, or returns False, if it is."""
    if found == "PNG":
        image.verify()  # its checksums
    elif found == "JPEG":
        # Pillow has read up to the pixels, which cannot contain the end marker, and
        # to decode them takes five times as long.
        return _JPEG_END in file.read()
    else:
        image.load()
    return True
