"""Compiled CPU code (numba, no C compiler): the loops that would drown in operator overhead.

    vector_code.py   a few rows times a few vectors of columns: products and activations in registers, as LLVM vectors
    map_products.py  training: whole maps times weights, forward and for gradients, in float32 or of bf16 numbers
    convolutions.py  training: a block of PixelCNN, a few rows of its maps after the other
    lstm_cell.py     training: one LSTM cell of four images, forward and backward, as numba intrinsics
    scans.py         training: a whole batch of such cells, row by row
    head_nats.py     training: the last 1x1 of the head with the softmax behind it
    tiles.py         drawing: a few pixels, anywhere in memory, through one piece of a layer
    products.py      drawing: a whole list of pixels, in such tiles
    philox.py        drawing: the noise
    frontier.py      drawing: which pixels can be drawn now, several rows at once
    records.py       drawing: the records of arrays that the loop is handed, with their shapes
    shared.py        drawing: what every network does around its layers
    categorical.py   drawing: from logits to a value
    range_coder.py   coding: between values and the bytes of a file
    loop.py          drawing: the loop; pixel_cnn.py, row_lstm.py, diagonal_bilstm.py hand it their layers;
                     recurrence.py: what the latter two share

Compiled once, then kept on disk, in a directory of its own for each processor and each state of these sources: numba
looks only at the file of a function, and not at what it calls. Checkouts and installed copies of the same sources share
it, wherever they are. Only what is called from Python is kept: two processes
that keep an inner function of theirs at the same time may give it the same file name, and one would later run the
other's.
"""

import hashlib
import os
from pathlib import Path
from typing import Any, Self

import numba
from llvmlite import binding
from numba.core import caching


def _cache_directory() -> Path:
    """NUMBA_CACHE_DIR or the user's cache, and in it a directory for these very sources on this processor."""
    sources = [source.read_bytes() for source in sorted(Path(__file__).parent.glob("*.py"))]
    target = numba.__version__, binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()
    digest = hashlib.sha256(b"".join([*sources, repr(target).encode()])).hexdigest()[:16]
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("NUMBA_CACHE_DIR") or Path(home) / "pixelrnn") / f"compiled-{digest}"


def _is_ours(directory: Path) -> bool:
    """Cached code is run as it is: only a directory that we made, or could make, is trusted."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory.stat().st_uid == os.getuid() and os.access(directory, os.W_OK)
    except OSError:
        return False


_directory = _cache_directory()
KEEP = _is_ours(_directory)
"""Whether compiled code is kept on disk; if not, each process compiles for itself."""
LEAN: dict[str, Any] = {"nogil": True, "_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""For functions that draw: numba counts no references. It would count those to every array of a tuple at each call,
which took longer than the arithmetic of a small layer. The caller keeps the arrays alive; these functions must not
allocate any, and Python cannot call them.

What is handed the records is `inline="always"` instead, because a record is dozens of arguments; a small function would
take longer to compile so, once for each call.
"""
ENTRY: dict[str, Any] = LEAN | {"cache": KEEP, "no_cpython_wrapper": False}
"""For those that Python calls."""


class _Place:
    """Tells numba where it keeps a function of these sources, in the words of its `_CacheLocator`.

    Its own locators have a directory for each place in which the sources lie, so that a second copy of them would be
    compiled again. Ours is named after their digest, which says all that a place or a time of change could.
    """

    def __init__(self, line: int) -> None:
        self._line = line

    @classmethod
    def from_function(cls, function: Any, file: str) -> Self | None:
        """One of ours, or None for a function of somebody else's."""
        return cls(function.__code__.co_firstlineno) if Path(file).parent == Path(__file__).parent else None

    def ensure_cache_path(self) -> None:
        _directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        return str(_directory)

    def get_source_stamp(self) -> str:
        return _directory.name

    def get_disambiguator(self) -> str:
        return str(self._line)


if KEEP:
    caching.CompileResultCacheImpl._locator_classes.insert(0, _Place)


def is_kept(loops: str) -> bool:
    """Whether an earlier process left these compiled loops on disk, as `note_kept` was told."""
    return KEEP and (_directory / f"{loops}.kept").exists()


def note_kept(loops: str) -> None:
    """Everything of these loops has been compiled."""
    if KEEP:
        (_directory / f"{loops}.kept").touch()
