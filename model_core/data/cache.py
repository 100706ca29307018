"""Images decoded once: raw bytes in a file that every process maps into memory, so a data set may exceed the memory."""

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from model_core.data.lock import locked
from model_core.data.splits import Values
from model_core.errors import DataError


def cached(
    directory: Path, name: str, facts: Any, shape: tuple[int, int, int], blocks: Callable[[], Iterator[Values]]
) -> Values:
    """Values (N, C, H, W), mapped read-only from a file that is written from blocks() when it is not there yet.

    facts (JSON) are everything that the bytes depend on: when they change, another file is written. shape is (C, H, W).
    Raises DataError when the directory cannot be written, and what blocks() raises; then no file is left.
    """
    digest = hashlib.sha256(json.dumps([facts, shape], sort_keys=True).encode()).hexdigest()[:16]
    path = directory / f"{name}-{digest}.u8"
    try:
        if not path.is_file():
            directory.mkdir(parents=True, exist_ok=True)
            with locked(directory / f"{path.name}.lock"):
                if not path.is_file():
                    _write(path, blocks())
        return _map(path, shape)
    except OSError as error:
        raise DataError(f"cannot keep decoded images in {directory}: {error.strerror or error}") from None


def _write(path: Path, blocks: Iterator[Values]) -> None:
    draft = path.with_suffix(".draft")
    try:
        with draft.open("wb") as file:
            for block in blocks:
                file.write(np.ascontiguousarray(block).data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _map(path: Path, shape: tuple[int, int, int]) -> Values:
    count = path.stat().st_size // math.prod(shape)
    if count == 0:  # an empty file cannot be mapped
        return np.empty((0, *shape), np.uint8)
    return np.memmap(path, np.uint8, "r", shape=(count, *shape))
