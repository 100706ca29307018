"""Refuse docstrings that begin with a function word: `python tests/house/first_words.py`, part of `make check`.

A docstring begins with its subject or its verb, so that it is understood at first reading. A question may begin as it
likes. Words that only lean on the next one, such as "Only of ...", do not hide it.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ("app", "worker", "model_core", "pixelrnn", "benchmarks", "docs", "examples")
REFUSED = re.compile(
    r"\W*(?:(?:also|but|else|even|just|merely|mostly|not|only|or|then|too)\W+)*"
    r"(?:among|and|as|at|because|between|beside|by|for|from|in|of|on|so|than|that|those|what|whatever|whether|where|which"
    r"|whoever|whom|whose|with|without)\b",
    re.IGNORECASE,
)
_QUESTION = re.compile(r"[^.:!?]*\?(\s|$)")


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Every text that stands by itself, as under a definition or an attribute: its line, and the text."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def is_refused(text: str) -> bool:
    """True if the first word that says anything is a listed one, unless the first sentence asks."""
    return bool(REFUSED.match(text)) and not _QUESTION.match(text)


def main() -> int:
    """Print each refused docstring; exit status 1 if there is one."""
    paths = sorted(path for source in SOURCES for path in (ROOT / source).rglob("*.py"))
    found = [(path, line, text) for path in paths for line, text in docstrings(path) if is_refused(text)]
    for path, line, text in found:
        print(f"{path.relative_to(ROOT)}:{line}: begin with the subject or a verb: {text.strip().splitlines()[0]}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
