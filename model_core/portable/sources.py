"""The sources of a module: a digest that comments, docstrings and line breaks do not change."""

import ast
import hashlib
import io
import tokenize
from pathlib import Path

_COMPILED = Path(__file__).parents[1] / "compiled"
_OURS = [
    Path(__file__).with_name(name) for name in ("exact_fma.py", "relaxed.py", "program.py", "wasm.py", "target.py")
]
_PREFIX = "model_core.compiled."
_IGNORED = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}


def sources_digest(module: str) -> str:
    """The digest of a drawing loop's module in model_core/compiled, of all modules there that it imports, and of these
    tools."""
    files = [*sorted(_imported_files(module) | _imported_files("philox")), *_OURS]
    return hashlib.sha256("\n".join(_essence(file) for file in files).encode()).hexdigest()


def _imported_files(module: str) -> set[Path]:
    """A module's file and those that it imports, directly or not."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        file = _COMPILED / f"{waiting.pop()}.py"
        if file not in found:
            found.add(file)
            waiting += _imports(file)
    return found


def _imports(file: Path) -> list[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    named = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return [name.removeprefix(_PREFIX) for name in named if name.startswith(_PREFIX)]


def _essence(file: Path) -> str:
    """Its words one after the other, without comments and docstrings."""
    tokens = tokenize.generate_tokens(io.StringIO(file.read_text(encoding="utf-8")).readline)
    lines: list[list[str]] = [[]]
    for token in tokens:
        if token.type == tokenize.NEWLINE:
            lines.append([])
        elif token.type in (tokenize.INDENT, tokenize.DEDENT):
            lines[-1].append(">" if token.type == tokenize.INDENT else "<")
        elif token.type not in _IGNORED:
            lines[-1].append(token.string)
    return "\n".join("".join(line) for line in lines if not _is_text("".join(line).strip("<>")))


def _is_text(line: str) -> bool:
    """True if a line is nothing but a string."""
    return line[:1] in ('"', "'") and line[-1:] in ('"', "'")
