"""The digest by which engine/modules.json names the sources of a WebAssembly module."""

from pathlib import Path

from model_core.source_digest import files_imported_by, source_digest

_COMPILED = Path(__file__).parents[1] / "compiled"
_PACKAGE = "model_core.compiled"
_TOOLS = ("exact_fma.py", "relaxed.py", "program.py", "wasm.py", "target.py")
"""Files of this folder that decide which instructions a module has."""


def sources_digest(module: str) -> str:
    """Return the digest of a drawing loop, of everything that it imports, of the noise,
    and of the tools that compile them: it changes if the module may.

    module: the name of a file in model_core/compiled, without `.py`.
    """
    loop = files_imported_by(module, _COMPILED, _PACKAGE)
    noise = files_imported_by("philox", _COMPILED, _PACKAGE)
    tools = [Path(__file__).with_name(name) for name in _TOOLS]
    return source_digest([*sorted({*loop, *noise}), *tools])
