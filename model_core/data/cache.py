"""A cache of decoded images: raw bytes in files that every process maps into memory, so
that a data set may be larger than the memory."""

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
"""Shape of one image, (C, H, W), or of one record."""
_CACHE_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n"
"""Content of the file that marks a cache, by https://bford.info/cachedir/."""


def cached_values(
    directory: Path,
    name: str,
    facts: Any,
    shape: Shape,
    blocks: Callable[[], Iterator[Values]],
) -> Values:
    """Return values (N, C, H, W), mapped read-only from a file in `directory`. If the
    file does not exist, it is first written from blocks(); another process that needs
    it waits meanwhile. A lock file stays beside it.

    name: begins the file's name.
    facts: everything that the bytes depend on, as JSON values; other facts give another
        file.
    shape: (C, H, W).
    blocks: called only to write the file; yields the values in pieces (n, C, H, W). If
        it raises, no file is left behind.

    Raises DataError if the directory cannot be written or blocks() raises OSError.
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
    """Return the images of each split, mapped read-only from files in `directory`, one
    for each split. If one does not exist, all are first written by one call of
    blocks(); another process that needs them waits meanwhile. A lock file stays beside
    them.

    name: begins the files' names.
    facts: everything that the bytes depend on, as JSON values; other facts give other
        files.
    shape: (C, H, W).
    blocks: called only to write the files; yields pieces (n, C, H, W) with their split.
        If it raises, no file is left behind.

    Raises DataError if the directory cannot be written or blocks() raises OSError.
    """
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
    """Return several arrays, by key, mapped read-only from files in `directory`, one
    for each key. If one does not exist, all are first written by one call of blocks();
    another process that needs them waits meanwhile. A lock file stays beside them.

    facts: everything that the bytes depend on, as JSON values; other facts give other
        files.
    parts: by key, the beginning of the file's name and the shape of one record.
    blocks: called only to write the files; yields pieces (n, ...) with the key of their
        file. If it raises, no file is left behind.

    Raises DataError if the directory cannot be written or blocks() raises OSError.
    """
    shapes = dict.fromkeys(shape for _, shape in parts.values())
    description = json.dumps([facts, *shapes], sort_keys=True)
    digest = hashlib.sha256(description.encode()).hexdigest()[:16]
    paths = {
        part: directory / f"{name}-{digest}.u8" for part, (name, _) in parts.items()
    }
    try:
        if not _are_there(paths):
            directory.mkdir(parents=True, exist_ok=True)
            # Backups leave out a directory with this file, and so does find_pictures.
            (directory / "CACHEDIR.TAG").write_text(_CACHE_TAG)
            # Several processes may need the same images at the same time.
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
    """Write all files, or none."""
    # First under other names, so that a file is complete if it exists.
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
    """Return the records of a file, mapped into memory."""
    count = path.stat().st_size // math.prod(shape)
    if count == 0:  # an empty file cannot be mapped
        return np.empty((0, *shape), np.uint8)
    return np.memmap(path, np.uint8, "r", shape=(count, *shape))
