"""Many picture files, decoded in parallel and fitted to a network's size."""

import logging
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from rich.console import Console
from rich.progress import track

from model_core.config import NetworkConfig
from model_core.data.cache import cached
from model_core.data.options import ReadOptions, Resize
from model_core.data.splits import Pixels, Split, Values, quantise
from model_core.errors import DataError

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})

_log = logging.getLogger(__name__)
_FILTERS = {"lanczos": Image.Resampling.LANCZOS, "box": Image.Resampling.BOX}
_CHUNK = 1024
_NAMED = 10
# What Pillow's decoders raise on damaged files, beside OSError.
_BROKEN = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    IndexError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def find_pictures(root: Path) -> list[str]:
    """Relative paths of all picture files below a directory, sorted; hidden files and directories are left out."""
    found = (path.relative_to(root) for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    visible = (path for path in found if not any(part.startswith(".") for part in path.parts))
    return sorted(path.as_posix() for path in visible if (root / path).is_file())


def read_pictures(
    root: Path, names: Sequence[str], split: Split, config: NetworkConfig, options: ReadOptions
) -> Values:
    """The named files as (N, C, H, W) in 0..V-1, decoded once; unreadable ones are left out, with one warning.

    Raises DataError when there are names but none can be read.
    """
    states = [(root / name).stat() for name in names]
    files = [[name, state.st_size, state.st_mtime_ns] for name, state in zip(names, states, strict=True)]
    facts = [str(root.resolve()), files, options.resize, config.values]
    shape = (config.channels, config.height, config.width)
    name = f"{root.name or 'images'}-{split}-{config.width}x{config.height}"
    return cached(options.cache_dir, name, facts, shape, lambda: _blocks(root, names, config, options.resize))


def fit(image: Image.Image, config: NetworkConfig, resize: Resize) -> Pixels:
    """The largest centred part of an image that has the network's proportions, resized: bytes (C, H, W)."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):  # Pillow would clip 16 bits to white
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    converted = upright.convert("L" if config.channels == 1 else "RGB")
    fitted = ImageOps.fit(converted, (config.width, config.height), _FILTERS[resize])
    return np.asarray(fitted).reshape(config.height, config.width, config.channels).transpose(2, 0, 1)


def _blocks(root: Path, names: Sequence[str], config: NetworkConfig, resize: Resize) -> Iterator[Values]:
    unreadable: list[str] = []
    console = Console(stderr=True)

    def read(name: str) -> Pixels | None:
        try:
            with Image.open(root / name) as image:
                return fit(image, config, resize)
        except _BROKEN:
            unreadable.append(name)
            return None

    chunks = range(0, len(names), _CHUNK)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes and resizes without holding the interpreter
        for start in track(chunks, f"reading {root.name}", console=console, disable=not console.is_terminal):
            images = [image for image in pool.map(read, names[start : start + _CHUNK]) if image is not None]
            if images:
                yield quantise(np.stack(images), config.values)
    _report(root, sorted(unreadable), len(names))


def _report(root: Path, unreadable: list[str], count: int) -> None:
    if not unreadable:
        return
    named = ", ".join(unreadable[:_NAMED]) + (
        f" and {len(unreadable) - _NAMED} more" if len(unreadable) > _NAMED else ""
    )
    sentence = f"{len(unreadable)} of {count} files in {root} cannot be read as images: {named}"
    if len(unreadable) == count:
        raise DataError(sentence)
    _log.warning("%s; they are left out", sentence)
