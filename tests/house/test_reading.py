"""docs/reading.md: a path that newcomers walk must be there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "reading.md").read_text(encoding="utf-8")
STOPS = [
    line.split(" | ") for line in TEXT.splitlines() if re.match(r"\| \d+ \|", line)
]


def definition(
    name: str, path: Path
) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | None:
    body: list[ast.stmt] = ast.parse(path.read_text(encoding="utf-8")).body
    node = None
    for part in name.split("."):
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        node = next(
            (each for each in body if isinstance(each, kinds) and each.name == part),
            None,
        )
        body = node.body if node else []
    return node


def test_each_stop_is_there() -> None:
    """There are ten stops, and each file and each name that they mention exists."""
    assert len(STOPS) == 10
    for _, files, names, *_ in STOPS:
        paths = [
            (ROOT / "docs" / path).resolve()
            for path in re.findall(r"\]\(([^)]+)\)", files)
        ]
        assert all(path.is_file() for path in paths)
        for name in re.findall(r"`([\w.]+)`", names):
            found = [
                path
                for path in paths
                if path.suffix == ".py" and definition(name, path)
            ]
            assert len(found) == 1, name


def test_the_drawing_names_files() -> None:
    """Each of its names is the end of one path."""
    (drawing,) = re.findall(r"```\n(.*?)```", TEXT, flags=re.DOTALL)
    names = re.findall(r"[\w/]+\.(?:py|lua)", drawing)
    files = [
        path
        for room in ("app", "worker", "model_core")
        for path in (ROOT / room).rglob("*.*")
    ]
    for name in names:
        assert (
            len([path for path in files if path.as_posix().endswith(f"/{name}")]) == 1
        ), name
    assert len(names) > 12


def test_each_seam_is_there() -> None:
    """The list that a line of seams.md names is in the file that it links to."""
    page = (ROOT / "docs" / "seams.md").read_text(encoding="utf-8")
    named = re.findall(r"\| [^|]*\]\(([^)]+)\): `(\w+)` \|", page)
    assert len(named) >= 12
    for path, name in named:
        text = (ROOT / "docs" / path).read_text(encoding="utf-8")
        assert re.search(rf"\b{name}\b", text), (path, name)
