"""Check that a result can be written before it is computed. Uses only the standard
library."""

import tempfile
from pathlib import Path

from model_core.errors import DataError


def check_place(path: Path) -> None:
    """Raise DataError if no file can be written at `path`. A missing folder is an error
    and is not created, because its name may be misspelt."""
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
    """Raise DataError if no files can be written into this folder. The folder may be
    missing, if its parent exists."""
    if path.is_dir():
        check_place(path / "0")
    else:
        check_place(path)
