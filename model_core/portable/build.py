"""`python -m model_core.portable.build`: make the WebAssembly modules in engine/ from
the drawing loops, in a minute.

It needs wasm-ld (Debian: lld). The result depends only on the sources and on the
versions of numba and llvmlite, not on the processor.
"""

import gzip
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from model_core import shipped
from model_core.errors import PixelRNNError
from model_core.portable.target import ENVIRONMENT


def main() -> None:
    """Build the modules of all kinds of network into engine/, in a process whose
    environment names the target before it imports numba. Exits with a message if that
    fails."""
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        os.execve(
            sys.executable,
            [sys.executable, "-m", "model_core.portable.build"],
            os.environ | ENVIRONMENT,
        )
    with tempfile.TemporaryDirectory() as cache:
        # Compiled again, because code on disk may have been made by other tools.
        os.environ["NUMBA_CACHE_DIR"] = cache
        try:
            write_modules(shipped.ENGINE)
        except PixelRNNError as error:
            sys.exit(str(error))


def write_modules(folder: Path) -> None:
    """Write each kind's modules, compressed, and modules.json, which lists them, into a
    folder, and print a line for each module. Files of these names are replaced. Raises
    ConfigError if the linker is missing or fails, OSError if the folder cannot be
    written."""
    from model_core.kinds import KINDS
    from model_core.portable.modules import MODULES

    described = {
        name: _write(name, folder)
        for name, kind in KINDS.items()
        if kind.compiled is not None
    }
    (folder / MODULES.name).write_text(
        json.dumps(described, indent=2) + "\n", encoding="utf-8"
    )


def _write(kind: str, folder: Path) -> dict[str, Any]:
    """Write both modules of a kind, and return what modules.json says of them."""
    from model_core.kinds import KINDS, part
    from model_core.portable.loops import loop_modules
    from model_core.portable.sources import sources_digest

    exact, relaxed = loop_modules(kind)
    sources = sources_digest(
        part(KINDS[kind].compiled).code.__name__.rpartition(".")[2]
    )
    facts = _packed(exact, folder / f"{kind}.wasm.gz")
    return facts | {
        "sources": sources,
        "relaxed": _packed(relaxed, folder / f"{kind}.relaxed.wasm.gz"),
    }


def _packed(module: bytes, file: Path) -> dict[str, Any]:
    """Write a module, compressed, and return its file, length and digest."""
    file.write_bytes(gzip.compress(module, 9, mtime=0))
    print(
        f"{file.name}: {len(module):,} bytes, {file.stat().st_size:,} packed",
        flush=True,
    )
    return {
        "file": file.name,
        "bytes": len(module),
        "sha256": hashlib.sha256(module).hexdigest(),
    }


if __name__ == "__main__":
    main()
