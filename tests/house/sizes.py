"""Counts the lines that are code, room by room, and the words of the documentation.

python -m tests.house.sizes
"""

import ast
import io
import re
import subprocess
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_suffix(".toml")
PRODUCT = "app", "page", "worker", "model_core", "engine", "pixelrnn"

_COMMENT = {".js": "//", ".mjs": "//", ".ts": "//", ".lua": "--"}
_BLOCKS = dict.fromkeys((".js", ".mjs", ".ts", ".css"), r"/\*.*?\*/") | {".html": r"<!--.*?-->"}
_CODE = {".py", *_COMMENT, *_BLOCKS}
_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def tracked_files() -> list[Path]:
    """The files of the repository, from its root. CalledProcessError where it is none of git's."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


def measured_sizes() -> dict[str, int]:
    """Lines of code of each room and of the product, and words of the documentation."""
    sizes: Counter[str] = Counter(product=0, words=0)
    for path in tracked_files():
        if path.suffix in _CODE:
            text = (ROOT / path).read_text(encoding="utf-8", errors="replace")
            sizes[_room(path)] += _python_lines(text) if path.suffix == ".py" else _other_lines(text, path.suffix)
        elif path.suffix == ".md" and (path.parts[0] == "docs" or str(path) in ("README.md", "CONTRIBUTING.md")):
            sizes["words"] += len((ROOT / path).read_text(encoding="utf-8").split())
    sizes["product"] = sum(sizes[room] for room in PRODUCT)
    return sizes


def most_allowed() -> dict[str, int]:
    """The table: what each room, and what all together, may have at most."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {**table["rooms"], **table["totals"]}


def _room(path: Path) -> str:
    return "page" if path.parts[:2] == ("app", "playground") else path.parts[0]


def _python_lines(text: str) -> int:
    code = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in _NO_CODE
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(code.difference(_docstring_lines(ast.parse(text))))


def _docstring_lines(tree: ast.AST) -> Iterator[int]:
    """The lines of every text that is a statement of its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _other_lines(text: str, suffix: str) -> int:
    text = re.sub(_BLOCKS.get(suffix, "(?!)"), "", text, flags=re.DOTALL)
    lines = (line.strip() for line in text.splitlines())
    return sum(bool(line) and not line.startswith(_COMMENT.get(suffix, "\0")) for line in lines)


def main() -> None:
    """Print each room's size beside the most that it may have."""
    allowed = most_allowed()
    for name, size in sorted(measured_sizes().items(), key=lambda each: -each[1]):
        print(f"{name:<12}{size:>8,}" + (f"  of {allowed[name]:,}" if name in allowed else ""))


if __name__ == "__main__":
    main()
