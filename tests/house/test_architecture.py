"""The arrows between packages hold, and nothing heavy is imported before it is needed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "numba", "scipy")


def imported_by(code: str) -> set[str]:
    """Top-level names of what a fresh interpreter has imported after running this."""
    script = f"import sys\n{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(result.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "module",
    [
        "app.main",
        "app.cli",
        "worker.contract.scripts",
        "worker.cli",
        "model_core.cli.verbs",
    ],
)
def test_module_imports_nothing_heavy(module: str) -> None:
    """The API and every command line start without torch."""
    assert imported_by(f"import {module}").isdisjoint(HEAVY)


def test_help_imports_nothing_heavy() -> None:
    """`pixelrnn --help` answers at once: no torch, no web server, no queue."""
    code = "sys.argv = ['pixelrnn', '--help']\nimport pixelrnn.cli\ntry: pixelrnn.cli.main()\nexcept SystemExit: pass"
    assert imported_by(code).isdisjoint(
        {*HEAVY, "fastapi", "uvicorn", "rq", "redis", "numpy"}
    )


def test_contract_knows_only_pydantic() -> None:
    """Beside the standard library, the contract needs pydantic alone."""
    third_party = imported_by(
        "import worker.contract.scripts, worker.contract.jobs, worker.contract.events, worker.contract.cards"
    )
    assert third_party.isdisjoint({"redis", "rq", "fastapi", "numpy", "PIL", *HEAVY})


def test_softmax_is_taken_in_one_place() -> None:
    """Logits become probabilities, nats and draws in model_core/distribution.py; compiled code has its own twin."""
    taking = re.compile(
        r"\b(?:log_)?softmax\(|\bcross_entropy\(|\bSoftmax\b|\bCrossEntropyLoss\b"
    )
    rooms = [
        path
        for room in ("app", "worker", "model_core", "pixelrnn")
        for path in (ROOT / room).rglob("*.py")
    ]
    takers = {
        path.relative_to(ROOT).as_posix()
        for path in rooms
        if taking.search(path.read_text(encoding="utf-8"))
    }
    assert takers == {"model_core/distribution.py"}


def test_helpers_of_tests_are_no_tests() -> None:
    """What several tests share lies in a file that pytest does not collect."""
    taking = re.compile(r"^\s*(?:from|import) tests\.[\w.]*\btest_\w+", re.MULTILINE)
    tests = [
        path
        for path in (ROOT / "tests").rglob("*.py")
        if "node_modules" not in path.parts
    ]
    assert [
        path.name for path in tests if taking.search(path.read_text(encoding="utf-8"))
    ] == []
