"""Digests of Python sources that change with what the code does, not with how it is
written.

A digest is taken from the syntax tree, without docstrings and positions. Comments, line
breaks and docstrings do not change it, and code that was compiled from these sources
stays valid. This module imports the standard library only, because it runs before numba
does.
"""

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

_IGNORED_FIELDS = {"kind", "type_comment"}
"""Fields that record the spelling of a literal or a comment: the u of u"text", and `#
type:` comments."""


def source_digest(files: Iterable[Path]) -> str:
    """Return the SHA-256, in hexadecimal, of the syntax of these Python files in the
    given order. It is the same for every supported version of Python."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(_file_digest(file))
    return digest.hexdigest()


def files_imported_by(module: str, directory: Path, package: str) -> list[Path]:
    """Return the file of a module and those of all modules of its package that it
    imports, sorted by path.

    module: the name of a file in `directory`, without `.py`.
    package: the dotted name of the package that `directory` is.

    Imports are followed from module to module, and not through the package's
    `__init__.py`, which is listed if one of the modules imports a name from it.
    """
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = directory / f"{name}.py"
        if file in found:
            continue
        found.add(file)
        if name != "__init__":
            waiting += _imports(file, directory, package)
    return sorted(found)


def _imports(file: Path, directory: Path, package: str) -> Iterator[str]:
    """Yield the modules of the package that this file names in its imports."""
    for node in _import_statements(file):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith(f"{package}."):
                    yield alias.name.removeprefix(f"{package}.")
        elif node.module == package:
            for alias in node.names:
                is_module = (directory / f"{alias.name}.py").exists()
                yield alias.name if is_module else "__init__"
        elif (node.module or "").startswith(f"{package}."):
            yield (node.module or "").removeprefix(f"{package}.")


@functools.cache
def _import_statements(file: Path) -> list[ast.Import | ast.ImportFrom]:
    nodes = ast.walk(_tree(file))
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


@functools.cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes())


@functools.cache
def _file_digest(file: Path) -> bytes:
    parts: list[str] = []
    _add_parts(_tree(file), parts)
    return hashlib.sha256("\n".join(parts).encode()).digest()


def _add_parts(item: object, parts: list[str]) -> None:
    """Append the names and constants of a part of the tree, in the order of the
    source."""
    if isinstance(item, ast.AST):
        parts.append(f"({type(item).__name__}")
        for name in item._fields:
            # Versions of Python differ in which optional fields a node has; empty
            # ones are left out.
            value = getattr(item, name, None)
            if name not in _IGNORED_FIELDS and value is not None and value != []:
                parts.append(f".{name}")
                _add_parts(value, parts)
        parts.append(")")
    elif isinstance(item, list):
        parts.append("[")
        for each in item:
            if not _is_docstring(each):
                _add_parts(each, parts)
        parts.append("]")
    else:
        # !a escapes everything that is not ASCII. repr() depends on the tables of
        # printable characters, which differ between versions of Python.
        parts.append(f"{type(item).__name__} {item!a}")


def _is_docstring(node: object) -> bool:
    """Return True for a statement that is only a string."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
        return False
    return isinstance(node.value.value, str)
