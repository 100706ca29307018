"""The digest by which engine/modules.json names the sources of a WebAssembly module."""

from pathlib import Path

from model_core.source_digest import files_imported_by, source_digest

_COMPILED = Path(__file__).parents[1] / "compiled"
_PACKAGE = "model_core.compiled"
_TOOLS = ("exact_fma.py", "relaxed.py", "program.py", "wasm.py", "target.py")
"""Files of this folder that decide which instructions a module has."""


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
