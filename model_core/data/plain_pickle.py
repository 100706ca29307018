"""Read the one kind of pickle that is needed, CIFAR-10's Python version, and allow
nothing but plain data and arrays.

A pickle is a program. This reader runs it with only the names in `_ADMITTED`, all of
which are defined here: the one for an array of bytes only stores its arguments. So no
file can call anything else, or reach into numpy.
"""

import math
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model_core.errors import DataError

# Exceptions that a damaged pickle can cause.
_BROKEN = (
    *(
        OSError,
        EOFError,
        pickle.UnpicklingError,
        struct.error,
        ArithmeticError,
        AttributeError,
        AssertionError,
    ),
    *(ImportError, LookupError, MemoryError, NameError, TypeError, ValueError),
)


class PickledArray:
    """An array of bytes in a pickle that `load_plain_pickle` has read. Pickle first
    makes it empty and then sets its state."""

    def __init__(self, *_empty: object) -> None:
        """Make an empty array; the arguments, which are in the file, are not used."""
        self._shape: tuple[int, ...] = (0,)
        self._data = b""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, kind, is_fortran, data = state
        # The file is not trusted: nothing of it reaches numpy before these checks.
        if (
            not isinstance(kind, _ByteType)
            or is_fortran
            or not isinstance(data, bytes)
            or not all(type(length) is int and length >= 0 for length in shape)
            or math.prod(shape) != len(data)
        ):
            raise pickle.UnpicklingError(
                "it holds an array that is not one of bytes in C order"
            )
        self._shape = tuple(shape)
        self._data = data

    def array(self) -> npt.NDArray[np.uint8]:
        """Return the bytes as a read-only array, uint8, of the shape that the file
        says."""
        return np.frombuffer(self._data, np.uint8).reshape(self._shape)


class _ByteType:
    """Stands for numpy's dtype of bytes. Raises UnpicklingError for another dtype."""

    def __init__(self, code: object, *_flags: object) -> None:
        if code not in ("u1", b"u1"):
            raise pickle.UnpicklingError(f"it holds an array of {code!r}, not of bytes")

    def __setstate__(self, state: object) -> None:
        pass


def _encode(text: str, encoding: str) -> bytes:
    """Stands for _codecs.encode, by which Python 3 writes bytes in the protocols of
    Python 2; the encoding is always latin1."""
    return text.encode("latin1")


_ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): PickledArray,
    ("numpy._core.multiarray", "_reconstruct"): PickledArray,
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _ByteType,
    ("_codecs", "encode"): _encode,
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        if (module_name, global_name) not in _ADMITTED:
            raise pickle.UnpicklingError(
                f"it asks for {module_name}.{global_name}, which no data set needs"
            )
        return _ADMITTED[module_name, global_name]


def load_plain_pickle(path: Path) -> Any:
    """Return the content of a pickle, with arrays of bytes as `PickledArray` and the
    strings of Python 2 as bytes. Nothing in the file is called.

    Raises DataError if the file cannot be read, is damaged, or needs anything imported
    except what such arrays need.
    """
    try:
        with path.open("rb") as file:
            return _PlainUnpickler(file, encoding="bytes").load()
    except _BROKEN as error:
        raise DataError(
            f"cannot read {path}: {error or type(error).__name__}"
        ) from None
