"""Images decoded once: raw bytes in files that every process maps into memory, so a data set may exceed the memory."""

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar, get_args

import numpy as np
from filelock import FileLock

from model_core.data.splits import Split, Values
from model_core.errors import DataError

Part = TypeVar("Part")
Shape = tuple[int, ...]
"""Bytes of one image, (C, H, W), or of one record."""


def cached(
    directory: Path,
    name: str,
    facts: Any,
    shape: Shape,
    blocks: Callable[[], Iterator[Values]],
) -> Values:
    """Values (N, C, H, W), mapped read-only from a file that is written from blocks() when it is not there yet.

    facts (JSON) are everything that the bytes depend on: when they change, another file is written. shape is (C, H, W).
    Raises DataError when the directory cannot be written, and what blocks() raises; then no file is left.
    """
    return cached_parts(
        directory,
        facts,
        {None: (name, shape)},
        lambda: ((None, block) for block in blocks()),
    )[None]


def cached_splits(
    directory: Path,
    name: str,
    facts: Any,
    shape: Shape,
    blocks: Callable[[], Iterator[tuple[Split, Values]]],
) -> dict[Split, Values]:
    """The images of all splits, which one pass over blocks() writes, a file for each; otherwise as in `cached`."""
    parts: dict[Split, tuple[str, Shape]] = {
        split: (f"{name}-{split}", shape) for split in get_args(Split)
    }
    return cached_parts(directory, facts, parts, blocks)


def cached_parts(
    directory: Path,
    facts: Any,
    parts: Mapping[Part, tuple[str, Shape]],
    blocks: Callable[[], Iterator[tuple[Part, Values]]],
) -> dict[Part, Values]:
    """Several files, of these names and shapes, which one pass over blocks() writes; otherwise as in `cached`."""
    shapes = dict.fromkeys(shape for _, shape in parts.values())
    digest = hashlib.sha256(
        json.dumps([facts, *shapes], sort_keys=True).encode()
    ).hexdigest()[:16]
    paths = {
        part: directory / f"{name}-{digest}.u8" for part, (name, _) in parts.items()
    }
    try:
        if not _are_there(paths):
            directory.mkdir(parents=True, exist_ok=True)
            with FileLock(directory / f"{min(paths.values()).name}.lock"):
                if not _are_there(paths):
                    _write(paths, blocks())
        return {part: _map(path, parts[part][1]) for part, path in paths.items()}
    except OSError as error:
        raise DataError(
            f"cannot keep decoded images in {directory}: {error.strerror or error}"
        ) from None


def _are_there(paths: dict[Part, Path]) -> bool:
    return all(path.is_file() for path in paths.values())


def _write(paths: dict[Part, Path], blocks: Iterator[tuple[Part, Values]]) -> None:
    drafts = {part: path.with_suffix(".draft") for part, path in paths.items()}
    try:
        with ExitStack() as stack:
            files = {
                part: stack.enter_context(draft.open("wb"))
                for part, draft in drafts.items()
            }
            for part, block in blocks:
                files[part].write(np.ascontiguousarray(block).data)
            for file in files.values():
                file.flush()
                os.fsync(file.fileno())
        for part, draft in drafts.items():
            draft.replace(paths[part])
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


def _map(path: Path, shape: Shape) -> Values:
    count = path.stat().st_size // math.prod(shape)
    if count == 0:  # an empty file cannot be mapped
        return np.empty((0, *shape), np.uint8)
    return np.memmap(path, np.uint8, "r", shape=(count, *shape))
