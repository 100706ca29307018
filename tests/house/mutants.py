"""Small changes of the product, and which of them tests notice.

    python -m tests.house.mutants app --seed 1 --count 40 --list /somewhere/app.json

A change concerns a comparison, a constant, two arguments or a statement, in a copy of the
checkout; the tests that reach it are run. If the list exists, its changes are tried again, as
after tests were deleted: what was caught before must be caught, or its line be gone.
"""

import argparse
import ast
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LIMIT_S = 90  # seconds for the tests of one change
MOST_TESTS = 12  # of more test functions that reach a change, some are drawn
TESTS = {
    "app": ["tests/app"],
    "worker": ["tests/worker"],
    "worker/contract": ["tests/worker/contract"],
    "pixelrnn": ["tests/client", "tests/house"],
    "model_core/posterior": ["tests/posterior"],
    "model_core/training": ["tests/training"],
}
PAIRS: tuple[tuple[Any, Any], ...] = (
    (ast.Lt, ast.LtE),
    (ast.Gt, ast.GtE),
    (ast.Eq, ast.NotEq),
    (ast.Is, ast.IsNot),
    (ast.In, ast.NotIn),
    (ast.And, ast.Or),
)
SWAPS = {old: new for pair in PAIRS for old, new in (pair, pair[::-1])}
MARK = 'with open({!r}, "a") as m_: m_.write("{} " + __import__("os").getenv("PYTEST_CURRENT_TEST", "") + "\\n")'
Change = dict[str, Any]


def replaced(node: ast.AST) -> ast.AST | None:
    """Return what takes the place of a node, or None if it stays."""
    match node:
        case ast.Compare(left=left, ops=[op], comparators=right) if type(op) in SWAPS:
            return ast.Compare(left, [SWAPS[type(op)]()], right)
        case ast.BoolOp(op=op, values=values):
            return ast.BoolOp(SWAPS[type(op)](), values)
        case ast.Constant(value=bool(value)):
            return ast.Constant(not value)
        case ast.Constant(value=int(value)):
            return ast.Constant(value + 1)
        case ast.Call(func=func, args=[first, second, *more], keywords=keywords):
            return ast.Call(func, [second, first, *more], keywords)
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign():
            return ast.Pass()
    return None


def changes_of(file: Path) -> Iterator[tuple[str, Change]]:
    """Yield all changes of the functions of a file, each with the name of its node."""
    text = file.read_text()
    lines = text.splitlines()
    functions = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    for statement in (each for function in functions for each in function.body):
        for node in ast.walk(statement):
            new = replaced(node)
            if new is None or not isinstance(node, ast.expr | ast.stmt):
                continue
            line = lines[node.lineno - 1]
            old = line[node.col_offset : node.end_col_offset]
            # Not what has several lines, nor what stands in an f-string or behind ä.
            if node.lineno != node.end_lineno or not _is(old, node):
                continue
            start, end = line[: node.col_offset], line[node.end_col_offset :]
            yield (
                type(node).__name__,
                {
                    "file": str(file.relative_to(ROOT)),
                    "line": node.lineno,
                    "statement": statement.lineno,
                    "before": line,
                    "after": start + ast.unparse(new) + end,
                },
            )


def _is(text: str, node: ast.AST) -> bool:
    try:
        return ast.unparse(ast.parse(text)) == ast.unparse(node)
    except SyntaxError:
        return False


def choose(folder: str, seed: int, count: int) -> list[Change]:
    """Draw the sort of node first, so that constants do not crowd out the others."""
    sorts: dict[str, list[Change]] = defaultdict(list)
    for file in sorted((ROOT / folder).rglob("*.py")):
        for sort, change in changes_of(file):
            sorts[sort].append(change)
    rng = random.Random(seed)
    chosen: dict[tuple[str, int], Change] = {}
    while len(chosen) < count:
        change = rng.choice(sorts[rng.choice(sorted(sorts))])
        chosen[change["file"], change["line"]] = change
    return list(chosen.values())


def run(copy: Path, tests: list[str], limit_s: float) -> tuple[int | None, str]:
    """Return pytest's exit code, None if it took too long, and its output."""
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    command = [sys.executable, "-m", "pytest", "-q", *tests]
    with tempfile.TemporaryFile("w+") as out:
        given = {"stdout": out, "stderr": out, "start_new_session": True}
        process = subprocess.Popen(command, cwd=copy, env=environment, **given)
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = None
        out.seek(0)
        return code, out.read()


def find_tests(copy: Path, changes: list[Change], tests: list[str]) -> None:
    """Give each change the test functions that reach its statement, by a mark there."""
    marks = copy / "marks.txt"
    by_file: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for number, change in enumerate(changes):
        by_file[change["file"]].append((change["statement"] - 1, number))
    for name, places in by_file.items():
        lines = (copy / name).read_text().splitlines()
        for at, number in sorted(places, reverse=True):
            indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
            lines.insert(at, indent + MARK.format(str(marks), number))
        (copy / name).write_text("\n".join(lines) + "\n")
    code, output = run(copy, tests, 3600)
    print(f"without a change: exit {code}, {output.splitlines()[-1:]}", flush=True)
    failed = {line.split()[1] for line in output.splitlines() if line[:6] == "FAILED"}
    for change in changes:
        change["tests"] = []
    for mark in sorted(set(marks.read_text().splitlines())):
        number, _, test = mark.partition(" ")
        function = test.partition(" (")[0].partition("[")[0]
        if function and not any(name.startswith(function) for name in failed):
            tests = changes[int(number)]["tests"]
            tests += [function] if function not in tests else []
    for name in by_file:
        shutil.copy(ROOT / name, copy / name)


def outcome(copy: Path, change: Change, rng: random.Random) -> str:
    file = copy / change["file"]
    lines = file.read_text().splitlines() if file.exists() else []
    places = [i for i, line in enumerate(lines) if line == change["before"]]
    if not places:
        return "gone"
    tests = []
    for test in change["tests"]:
        name, _, function = test.partition("::")
        if (copy / name).exists() and f"def {function}(" in (copy / name).read_text():
            tests.append(test)
    if not tests:
        return "not reached"
    at = min(places, key=lambda place: abs(place + 1 - change["line"]))
    new = [*lines[:at], change["after"], *lines[at + 1 :]]
    file.write_text("\n".join(new) + "\n")
    code, _ = run(
        copy, ["-x", *rng.sample(tests, min(len(tests), MOST_TESTS))], LIMIT_S
    )
    file.write_text("\n".join(lines) + "\n")
    return {0: "survived", None: "took too long"}.get(code, "caught")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="as app or model_core/posterior")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--list", type=Path, required=True, help="a JSON file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "copy"
        ignore = shutil.ignore_patterns(".*", "node_modules", "__pycache__")
        shutil.copytree(ROOT, copy, ignore=ignore)
        if given.list.exists():
            changes = json.loads(given.list.read_text())
        else:
            changes = choose(given.folder, given.seed, given.count)
            find_tests(copy, changes, TESTS.get(given.folder, ["tests/model_core"]))
        for change in changes:
            found = outcome(copy, change, random.Random(given.seed))
            change.setdefault("found", []).append(found)
            print(f"{change['file']}:{change['line']} {change['found']}", flush=True)
            print(f"  {change['after'].strip()}", flush=True)
            given.list.write_text(json.dumps(changes, indent=1))


if __name__ == "__main__":
    main()
