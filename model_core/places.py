"""Places to write a result to, looked at before it is worked out. Needs nothing but the standard library."""

import tempfile
from pathlib import Path

from model_core.errors import DataError


def check_place(path: Path) -> None:
    """DataError where no file of this name could be written. A folder that is not there is not made: a misspelt one
    would be, too."""
    folder = path.parent
    if not folder.is_dir():
        raise DataError(f"cannot write {path}: there is no folder {folder}")
    if path.is_dir():
        raise DataError(f"cannot write {path}: it is a directory")
    try:
        with path.open("ab") if path.exists() else tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from None


def check_folder(path: Path) -> None:
    """DataError where no files could be written into this folder; it may be made, but not those that it lies in."""
    if path.is_dir():
        check_place(path / "0")
    else:
        check_place(path)
