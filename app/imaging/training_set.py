"""Untrusted pictures to train on, written to a directory: a zip whose folders are labels, an .npz, or single files.

Nothing that a file is called becomes the name of one here, but for a folder's, which is a label. Whatever cannot be
taken is refused with a sentence; files between them that are no pictures are counted, and left out.
"""

import io
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from PIL import Image

from app.errors import UnusableImageError
from app.imaging.decode import BOMB, BROKEN, MAX_PIXELS
from app.imaging.zipped import BEGINNING, BROKEN_ZIP, is_file

_MOST_BYTES, _MOST_PICTURES, _MOST_ENTRIES, _MOST_LABEL = 64 * 2**20, 20_000, 25_000, 60
"""Bytes of all files, unpacked; and characters of a label, which a folder is called: 255 bytes at most."""
_SIDES = range(2, 4097)
_FORMATS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "GIF": "gif", "BMP": "bmp"}
_BLOCK = 2**20
_ENTRY = b"PK\1\2"
"""The beginning of each entry of a zip's directory."""


def write_training_set(files: Sequence[BinaryIO], place: Path) -> tuple[int, int]:
    """Write them to place/pictures, or to place/pictures.npz. Returns how many are pictures, 0 for an .npz, and how
    many are not. Raises UnusableImageError, BadUploadError, OSError."""
    for file in files:
        file.seek(0)
    if len(files) != 1 or files[0].read(len(BEGINNING)) != BEGINNING:
        files[0].seek(0)
        return _write((("", file.read) for file in files), place / "pictures")
    try:
        return _write_zip(files[0], place)
    except BROKEN_ZIP as error:
        if isinstance(error, OSError) and error.errno:  # of the disk
            raise
        raise UnusableImageError(
            "the zip cannot be read: it is damaged or encrypted"
        ) from None


def _write_zip(file: BinaryIO, place: Path) -> tuple[int, int]:
    file.seek(0)
    if (
        sum(block.count(_ENTRY) for block in iter(lambda: file.read(_BLOCK), b""))
        > _MOST_ENTRIES
    ):
        raise UnusableImageError(f"the zip has more than {_MOST_ENTRIES} entries")
    with zipfile.ZipFile(file) as archive:
        entries = {
            PurePosixPath(entry.filename): entry
            for entry in archive.infolist()
            if _is_taken(entry)
        }
        if entries and all(path.suffix == ".npy" for path in entries):
            return _write_arrays(archive, file, place / "pictures.npz")
        folders = {path.parts[:-1] for path in entries}
        around = 0  # folders that lie around all files, and are no labels
        while (
            all(len(folder) > around for folder in folders)
            and len({folder[around] for folder in folders}) == 1
        ):
            around += 1
        files = (
            (path.parts[around:-1], archive.open(entry))
            for path, entry in entries.items()
        )
        return _write(
            (("".join(inner[:1]), opened.read) for inner, opened in files),
            place / "pictures",
        )


def _is_taken(entry: zipfile.ZipInfo) -> bool:
    """False for folders and what is hidden. Raises UnusableImageError for a name that leads out of the zip, and for a
    link, and what `is_file` raises."""
    parts = entry.filename.split("/")
    if parts[0] == "" or "\\" in entry.filename or ".." in parts:
        raise UnusableImageError(
            "a name in the zip leads out of it: expected names such as cats/1.png"
        )
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise UnusableImageError(
            "the zip holds a link: expected files and folders alone"
        )
    return is_file(entry)


def _write_arrays(
    archive: zipfile.ZipFile, file: BinaryIO, path: Path
) -> tuple[int, int]:
    """Write the file as it is; the lengths that it says are not believed."""
    left = _MOST_BYTES
    for entry in archive.infolist():
        with archive.open(entry) as array:
            while block := array.read(_BLOCK):
                left = _less(left, len(block))
    file.seek(0)
    with path.open("xb") as target:
        shutil.copyfileobj(file, target)
    return 0, 0


def _write(
    files: Iterable[tuple[str, Callable[[int], bytes]]], folder: Path
) -> tuple[int, int]:
    """files: the label of each, and what reads so many bytes of it."""
    left, pictures, unreadable = _MOST_BYTES, 0, 0
    folder.mkdir()
    for label, read in files:
        data = read(left + 1)
        left = _less(left, len(data))
        if (ending := _ending(data)) is None:
            unreadable += 1
            continue
        if (pictures := pictures + 1) > _MOST_PICTURES:
            raise UnusableImageError(f"there are more than {_MOST_PICTURES} pictures")
        if len(label) > _MOST_LABEL or not label.isprintable():
            raise UnusableImageError(
                f"a folder's name is no label: expected {_MOST_LABEL} printable characters at most"
            )
        (folder / label).mkdir(exist_ok=True)
        (folder / label / f"{pictures:05}.{ending}").write_bytes(data)
    if not pictures:
        raise UnusableImageError(
            f"there is no picture: expected {', '.join(_FORMATS)} files, or an .npz of arrays"
        )
    return pictures, unreadable


def _less(left: int, size: int) -> int:
    if size > left:
        raise UnusableImageError(
            f"the files have more than {_MOST_BYTES} bytes, unpacked"
        )
    return left - size


def _ending(data: bytes) -> str | None:
    """The ending of the picture's name, by its bytes; None for what is none."""
    try:
        with Image.open(io.BytesIO(data), formats=tuple(_FORMATS)) as image:
            width, height, ending = (
                image.width,
                image.height,
                _FORMATS[image.format or ""],
            )
    except BOMB:
        width, height, ending = MAX_PIXELS, MAX_PIXELS, ""
    except BROKEN:
        return None
    if width not in _SIDES or height not in _SIDES or width * height > MAX_PIXELS:
        raise UnusableImageError(
            "a picture is too small or large: expected 2 to 4096 pixels a side, 2048 x 2048 in all"
        )
    return ending
