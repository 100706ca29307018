"""Compiled CPU code (numba, no C compiler): the loops that would drown in operator overhead.

    vector_code.py   a few rows times a few vectors of columns: products and activations in registers, as LLVM vectors
    lstm_cell.py     one LSTM cell of four images, forward and backward, as numba intrinsics
    scans.py         training: a whole batch of such cells in raster order
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

Compiled once, then kept on disk, in a directory of its own for each state of these sources: numba looks only at the
file of a function, and not at what it calls.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

from numba.core import config as numba_config


def _cache_directory() -> Path:
    """NUMBA_CACHE_DIR or the user's cache, and in it a directory for these very sources."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
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
LEAN: dict[str, Any] = {"nogil": True, "cache": KEEP, "_nrt": False}
"""For functions that draw: numba counts no references. It would count those to every array of a tuple at each call,
which took longer than the arithmetic of a small layer. The caller keeps the arrays alive; these functions must not
allocate any.
"""
if KEEP:
    numba_config.CACHE_DIR = str(_directory)  # pyright: ignore[reportAttributeAccessIssue]
