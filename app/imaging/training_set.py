"""Untrusted pictures to train on, written to a directory: a zip whose folders are
labels, an .npz, or single files.

No file here has a name of the client's, except for folders, whose names are labels.
Whatever cannot be taken is refused with a sentence; files among the pictures that are
not pictures are counted, and left out.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from PIL import Image

from app.errors import UnusableImageError
from app.imaging.decode import BOMB, BROKEN, MAX_PIXELS, one_large_at_a_time
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
"""Bytes of all files, unpacked."""
_MOST_PICTURES = 20_000
_MOST_ENTRIES = 25_000
_MOST_LABEL = 60
"""Characters of a label, whose folder's name may have 255 bytes."""
_SIDES = range(2, 4097)
_FORMATS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "GIF": "gif", "BMP": "bmp"}
_BLOCK = 2**16

ExpectRoom = Callable[[int], None]
"""Raises a RefusedError unless so many bytes may be written."""


def write_training_set(
    files: Sequence[BinaryIO], place: Path, expect_room: ExpectRoom
) -> tuple[int, int]:
    """Write the files of a request to place/pictures, or an .npz to place/pictures.npz.

    expect_room: called with the bytes of all files, unpacked, before they are written.
    Returns how many files are pictures, 0 for an .npz, and how many are not. Raises
    UnusableImageError, BadUploadError, OSError, and what `expect_room` raises.
    """
    for file in files:
        file.seek(0)
    is_zip = len(files) == 1 and files[0].read(len(BEGINNING)) == BEGINNING
    files[0].seek(0)
    if not is_zip:
        return _write((("", _blocks_of(file)) for file in files), place)
    try:
        return _write_zip(files[0], place, expect_room)
    except DamagedZipError:
        raise UnusableImageError(
            "the zip cannot be read: it is damaged or encrypted"
        ) from None
    except TooMuchInZipError:
        raise UnusableImageError(
            f"the zip has more than {_MOST_ENTRIES} entries, or more than {MOST_BYTES}"
            " bytes, unpacked"
        ) from None


def _write_zip(file: BinaryIO, place: Path, expect_room: ExpectRoom) -> tuple[int, int]:
    archive = Archive(file, Allowance(_MOST_ENTRIES, MOST_BYTES))
    entries = archive.files
    expect_room(sum(entry.size for entry in entries))
    is_npz = all(PurePosixPath(entry.path[-1]).suffix == SUFFIX for entry in entries)
    if entries and is_npz:
        write_training_arrays(archive, place / "pictures.npz", _MOST_PICTURES)
        return 0, 0
    around = _folders_around(entries)
    return _write(
        (
            ("".join(entry.path[around:-1][:1]), archive.blocks(entry))
            for entry in entries
        ),
        place,
    )


def _folders_around(entries: Sequence[Entry]) -> int:
    """Return how many folders lie around all files, and are no labels."""
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


def _write(
    files: Iterable[tuple[str, Iterator[bytes]]], place: Path
) -> tuple[int, int]:
    """Write pictures to place/pictures, in a folder for each label.

    files: the label of each, and its content. If a picture has no label, none has one,
    and no folder is made: a label may be a file's name.
    """
    flat = place / "unsorted"
    flat.mkdir()
    labels: list[tuple[str, str]] = []
    unreadable = 0
    left = MOST_BYTES
    for label, blocks in files:
        draft = flat / "draft"
        with draft.open("wb") as file:
            for block in blocks:
                left -= len(block)
                if left < 0:
                    raise UnusableImageError(
                        f"the files have more than {MOST_BYTES} bytes, unpacked"
                    )
                file.write(block)
        ending = _ending(draft)
        if ending is None:
            unreadable += 1
            continue
        if len(labels) == _MOST_PICTURES:
            raise UnusableImageError(f"there are more than {_MOST_PICTURES} pictures")
        _expect_label(label)
        name = f"{len(labels) + 1:05}.{ending}"
        draft.rename(flat / name)
        labels.append((label, name))
    (flat / "draft").unlink(missing_ok=True)
    if not labels:
        raise UnusableImageError(
            f"there is no picture: expected {', '.join(_FORMATS)} files, or an .npz of arrays"
        )
    _sort(flat, labels, place / "pictures")
    return len(labels), unreadable


def _expect_label(label: str) -> None:
    if len(label) > _MOST_LABEL or not label.isprintable():
        raise UnusableImageError(
            f"a folder's name is no label: expected {_MOST_LABEL} printable characters at most"
        )


def _sort(flat: Path, labels: Sequence[tuple[str, str]], folder: Path) -> None:
    """Move the pictures of a directory into folders named after their labels; all of
    them as they lie if one has no label."""
    if not all(label for label, _ in labels):
        flat.rename(folder)
        return
    folder.mkdir()
    for label in {label for label, _ in labels}:
        (folder / label).mkdir()
    for label, name in labels:
        (flat / name).rename(folder / label / name)
    flat.rmdir()


def _ending(path: Path) -> str | None:
    """Return the ending of a picture's name, by its bytes, or None if it is none."""
    try:
        with (
            one_large_at_a_time(path.stat().st_size),
            Image.open(path, formats=tuple(_FORMATS)) as image,
        ):
            width, height = image.size
            ending = _FORMATS[image.format or ""]
    except BOMB:
        width, height, ending = MAX_PIXELS, MAX_PIXELS, ""
    except BROKEN:
        return None
    if width not in _SIDES or height not in _SIDES or width * height > MAX_PIXELS:
        raise UnusableImageError(
            "a picture is too small or large: expected 2 to 4096 pixels a side, 2048 x 2048 in all"
        )
    return ending
