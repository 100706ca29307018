"""Arrays of images in .npy files or in .npz archives, read block by block and never
unpickled."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from zipfile import BadZipFile, ZipFile

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from model_core.data.damaged import ARRAY_ERRORS
from model_core.errors import DataError

_BLOCK_BYTES = 16 * 2**20
"""Bytes that are read at once."""


@dataclass(frozen=True)
class StoredArray:
    """One array of bytes or booleans on disk: a .npy file, or the array with the name
    `key` in a .npz archive. It is read when a method is called."""

    path: Path
    key: str | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape, read from the file. Raises DataError if the file cannot be
        read, or is not an array of bytes or booleans in C order."""
        with self._open_member() as file:
            return self._header(file)

    def blocks(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield the array in pieces (n, ...) of about 16 MiB, in order. Raises
        DataError if the file cannot be read or has another type."""
        with self._open_member() as file:
            count, *rest = self._header(file)
            size = math.prod(rest)
            step = max(1, _BLOCK_BYTES // max(1, size))
            for start in range(0, count, step):
                n = min(step, count - start)
                data = file.read(n * size)
                if len(data) != n * size:
                    raise EOFError("it ends early")
                yield np.frombuffer(data, np.uint8).reshape(n, *rest)

    def _header(self, file: IO[bytes]) -> tuple[int, ...]:
        """Return the shape in an open file's header, and leave the file at the first
        byte of data."""
        if npy.read_magic(file) == (1, 0):
            shape, fortran, dtype = npy.read_array_header_1_0(file)
        else:
            shape, fortran, dtype = npy.read_array_header_2_0(file)
        if dtype not in (np.uint8, np.bool_) or fortran or not shape or min(shape) < 0:
            raise DataError(
                f"{self}: expected an array of bytes (uint8) or booleans in C order, "
                f"not {dtype} {shape}"
            )
        return shape

    @contextmanager
    def _open_member(self) -> Iterator[IO[bytes]]:
        """Open the array's bytes for the context. Raise DataError for any error of
        reading."""
        try:
            if self.key is None:
                with self.path.open("rb") as file:
                    yield file
            else:
                with (
                    ZipFile(self.path) as archive,
                    archive.open(f"{self.key}.npy") as file,
                ):
                    yield file
        except ARRAY_ERRORS as error:
            raise DataError(
                f"cannot read {self}: {error or type(error).__name__}"
            ) from None

    def __str__(self) -> str:
        return str(self.path) if self.key is None else f"{self.path} ({self.key})"


def archive_keys(path: Path) -> list[str]:
    """Return the names of the arrays in a .npz file, without .npy; an empty list if the
    file cannot be read or is not an archive."""
    try:
        with ZipFile(path) as archive:
            return [
                name.removesuffix(".npy")
                for name in archive.namelist()
                if name.endswith(".npy")
            ]
    except (OSError, ValueError, NotImplementedError, BadZipFile):
        return []
