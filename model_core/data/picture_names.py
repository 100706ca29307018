"""Picture files by their names. Needs nothing but the standard library."""

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
"""The last are not read, but counted among the pictures, so that whoever has them is told that they are left out."""


def find_pictures(root: Path) -> list[str]:
    """Relative paths of all picture files below a directory, sorted; hidden files and directories are left out."""
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
    """Relative paths of all files below a directory that are no pictures by their names,
    sorted; hidden files and directories are left out."""
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(
        path.as_posix()
        for path in found
        if path.suffix.lower() not in ALL_SUFFIXES
        and not any(part.startswith(".") for part in path.parts)
    )
