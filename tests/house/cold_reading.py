"""Print 30 public functions and classes of a room, for a reader who sees nothing else.

    python -m tests.house.cold_reading ROOM [--count 30] [--seed HASH]

ROOM is a folder, such as worker/contract or app/playground. The choice depends on the room
and on the hash of the current commit, so nobody can choose what is read. For each definition
the name, the signature and the docstring are printed, and no code. The reader states what it
returns, changes and raises; whoever has the code compares the answers with it.
"""

import argparse
import ast
import inspect
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

_EXPORT = re.compile(
    r"(?P<doc>/\*\*(?:(?!\*/).)*\*/\s*)?"
    r"^export (?P<head>(?:async )?(?:function\*?|class|const) [^\n]*?)\s*(?:\{|=>|;)?$",
    re.MULTILINE | re.DOTALL,
)


class Definition(NamedTuple):
    """A function or class, as the reader sees it."""

    place: str
    """Path and line."""
    text: str
    """Signature and docstring."""


def definitions(room: Path) -> list[Definition]:
    """Return the public functions and classes of all files of a folder, sorted by place."""
    found: list[Definition] = []
    for file in sorted(room.rglob("*")):
        if file.suffix == ".py":
            found += _of_python(file)
        elif file.suffix in (".js", ".mjs") and "node_modules" not in file.parts:
            found += _of_javascript(file)
    return found


def chosen(room: Path, seed: str, count: int) -> list[Definition]:
    """Return `count` definitions, or all if there are fewer, chosen by the seed."""
    every = definitions(room)
    if len(every) <= count:
        return every
    picked = random.Random(f"{seed} {room.relative_to(ROOT)}").sample(every, count)
    return sorted(picked)


def _of_python(file: Path) -> Iterator[Definition]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body:
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if not (is_function or isinstance(node, ast.ClassDef)):
            continue
        if node.name.startswith("_"):
            continue
        place = f"{file.relative_to(ROOT)}:{node.lineno}"
        yield Definition(place, "\n".join(_without_code(node)))


def _without_code(node: ast.stmt, indent: str = "") -> Iterator[str]:
    """Yield the lines of a definition that a reader sees: decorators, signature, docstring,
    and of a class its fields and public methods."""
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    for decorator in node.decorator_list:
        yield f"{indent}@{ast.unparse(decorator)}"
    yield indent + _signature(node)
    inner = indent + "    "
    docstring = ast.get_docstring(node)
    if docstring:
        yield from _quoted(docstring, inner)
    if isinstance(node, ast.ClassDef):
        yield from _members(node, inner)


def _members(node: ast.ClassDef, indent: str) -> Iterator[str]:
    for member in node.body[1:] if ast.get_docstring(node) else node.body:
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            if not member.name.startswith("_") or member.name == "__init__":
                yield from _without_code(member, indent)
        elif isinstance(member, ast.AnnAssign | ast.Assign):
            yield from (indent + line for line in ast.unparse(member).splitlines())
        elif isinstance(member, ast.Expr) and isinstance(member.value, ast.Constant):
            yield from _quoted(inspect.cleandoc(str(member.value.value)), indent)


def _quoted(docstring: str, indent: str) -> Iterator[str]:
    yield from (indent + line for line in f'"""{docstring}"""'.splitlines())


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        return f"class {node.name}({bases}):" if bases else f"class {node.name}:"
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{word} {node.name}({ast.unparse(node.args)}){returns}:"


def _of_javascript(file: Path) -> Iterator[Definition]:
    text = file.read_text(encoding="utf-8")
    for match in _EXPORT.finditer(text):
        line = text.count("\n", 0, match.start("head")) + 1
        place = f"{file.relative_to(ROOT)}:{line}"
        head, arrow, _ = text[match.start("head") : match.end()].partition("=>")
        is_value = head.startswith("const ") and not arrow
        if not is_value:
            signature = f"export {head}{arrow}".rstrip(" {")
            yield Definition(place, f"{match['doc'] or ''}{signature}")


def main() -> None:
    """Print the chosen definitions, numbered."""
    parser = argparse.ArgumentParser(prog="python -m tests.house.cold_reading")
    parser.add_argument("room", help="a folder of the checkout")
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--seed", help="default: the hash of the current commit")
    given = parser.parse_args()
    room = (ROOT / given.room).resolve()
    if not room.is_dir() or ROOT not in (room, *room.parents):
        sys.exit(f"{given.room}: expected a folder of the checkout")
    command = ["git", "rev-parse", "HEAD"]
    head = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    seed = given.seed or head.stdout.strip()
    for number, definition in enumerate(chosen(room, seed, given.count), 1):
        print(f"--- {number}. {definition.place}\n{definition.text}\n")


if __name__ == "__main__":
    main()
