"""The one pickle that must be read: CIFAR-10's python layout. Nothing but plain data and arrays can come out of it.

A pickle is a program. This reader runs it with four names, all ours: what stands for an array of bytes only keeps what
it is told, so that no file can call anything else, nor reach into numpy.
"""

import math
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model_core.errors import DataError

# What a damaged pickle makes Python raise.
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
    """An array of bytes as a pickle tells it: an empty one, and then its state."""

    def __init__(self, *_empty: object) -> None:
        self._shape: tuple[int, ...] = (0,)
        self._data = b""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, kind, is_fortran, data = state
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
        self._shape, self._data = tuple(shape), data

    def array(self) -> npt.NDArray[np.uint8]:
        """The array."""
        return np.frombuffer(self._data, np.uint8).reshape(self._shape)


class _ByteType:
    """Stands for numpy's dtype of bytes, and refuses to be another."""

    def __init__(self, code: object, *_flags: object) -> None:
        if code not in ("u1", b"u1"):
            raise pickle.UnpicklingError(f"it holds an array of {code!r}, not of bytes")

    def __setstate__(self, state: object) -> None:
        pass


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 spells bytes in the protocols of Python 2; the encoding is always latin1."""
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
    """Read a pickle: arrays as PickledArray, and the strings of Python 2 as bytes.

    Raises DataError when it is damaged, or asks for anything but lists, dicts, strings, numbers and arrays of bytes.
    """
    try:
        with path.open("rb") as file:
            return _PlainUnpickler(file, encoding="bytes").load()
    except _BROKEN as error:
        raise DataError(
            f"cannot read {path}: {error or type(error).__name__}"
        ) from None
