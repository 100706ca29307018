"""Find picture files by their names. Uses only the standard library."""

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


def find_pictures(root: Path) -> list[str]:
    """Return the sorted relative paths of all picture files below a directory, without
    hidden files and directories. A file is a picture if its suffix is in ALL_SUFFIXES,
    upper or lower case."""
    found = (
        path.relative_to(root)
        for path in root.rglob("*")
        if path.suffix.lower() in ALL_SUFFIXES
    )
    visible = (
        path for path in found if not any(part.startswith(".") for part in path.parts)
    )
    return sorted(path.as_posix() for path in visible if (root / path).is_file())


def find_others(root: Path) -> list[str]:
    """Return the sorted relative paths of all files below a directory that
    `find_pictures` does not return because of their suffix, without hidden files and
    directories."""
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(
        path.as_posix()
        for path in found
        if path.suffix.lower() not in ALL_SUFFIXES
        and not any(part.startswith(".") for part in path.parts)
    )
