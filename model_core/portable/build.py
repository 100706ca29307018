"""`python -m model_core.portable.build`: make the WebAssembly modules in engine/ from
the drawing loops, in a minute.

It needs wasm-ld (Debian: lld). The result depends only on the sources and on the
versions of numba and llvmlite, not on the CPU.
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
from model_core.source_digest import files_imported_by, source_digest

_COMPILED = Path(__file__).parents[1] / "compiled"
_PACKAGE = "model_core.compiled"
_TOOLS = ("exact_fma.py", "relaxed.py", "program.py", "wasm.py", "target.py")
"""Files of this folder that decide which instructions a module has."""


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

    exact, relaxed = loop_modules(kind)
    sources = sources_digest(
        part(KINDS[kind].compiled).code.__name__.rpartition(".")[2]
    )
    facts = _packed(exact, folder / f"{kind}.wasm.gz")
    return facts | {
        "sources": sources,
        "relaxed": _packed(relaxed, folder / f"{kind}.relaxed.wasm.gz"),
    }


def sources_digest(module: str) -> str:
    """Return the digest of a drawing loop, of all files of model_core/compiled that it
    imports, of the noise, and of the tools of this folder that turn them into
    instructions.

    What also decides about a module, but is not in the digest: loops.py, which chooses
    the functions of a module and the types of their parameters, and the versions of
    numba and llvmlite. After a change of these, `build` has to be run although the
    digest is the same.

    module: the name of a file in model_core/compiled, without `.py`.
    """
    loop = files_imported_by(module, _COMPILED, _PACKAGE)
    noise = files_imported_by("philox", _COMPILED, _PACKAGE)
    tools = [Path(__file__).with_name(name) for name in _TOOLS]
    return source_digest([*sorted({*loop, *noise}), *tools])


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
