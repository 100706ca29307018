"""Find picture files by their names. Uses only the standard library."""

import os
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = frozenset(
    {
        ".bmp",
        ".gif",
        ".jpeg",
        ".jpg",
        ".pbm",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    }
)
ALL_SUFFIXES = SUFFIXES | {".avif", ".heic", ".heif", ".jxl"}
"""All suffixes of pictures. The additional formats cannot be read, but are counted, so
that a person who has such files learns that they are left out."""
_OURS = (
    {"recipe.json", "log.jsonl"},
    {"card.json", "weights.safetensors"},
    {"CACHEDIR.TAG"},
)
"""Files by which a directory is recognised that a training has written: a run, a model,
and the cache of decoded images."""


def find_pictures(root: Path) -> list[str]:
    """Return the sorted relative paths of all picture files below a directory.

    A file is a picture if its suffix is in ALL_SUFFIXES, upper or lower case. Hidden
    files and directories are left out, and below the root so are directories that a
    training has written.
    """
    # A training must not learn from its own samples.
    return sorted(name for name in _visible(root) if _is_picture(name))


def find_others(root: Path) -> list[str]:
    """Return the sorted relative paths of all files that `find_pictures` does not
    return because of their suffix."""
    return sorted(name for name in _visible(root) if not _is_picture(name))


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in ALL_SUFFIXES


def _visible(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        if Path(folder) != root and any(ours <= {*files} for ours in _OURS):
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(folder, name)
            if not name.startswith(".") and path.is_file():
                yield path.relative_to(root).as_posix()
