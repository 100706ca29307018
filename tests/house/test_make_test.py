"""`make test` checks types beside the suite, and fails if either fails."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = (
    "pyproject.toml",
    "judge/pyproject.toml",
    "openapi.json",
    "docs/tools/make_client.py",
    "pixelrnn/client/asynchronous.py",
    "tests/client/programs/package.json",
)
INSTALLED = (
    "bin/python",
    "installed-all",
    "installed-dev",
    "installed-clients",
    "installed-node-packages",
)
TOOLS = {
    "ruff": "",
    "lint-imports": "",
    # Ends only after the suite has begun.
    "pyright": "until grep -q pytest called; do sleep 0.02; done",
    "python": "",
}
"""What each does beside noting that it was called."""


def checkout_with(failing: str | None, folder: Path) -> Path:
    """Return a folder with the Makefile, in which everything counts as installed.

    failing: the beginning of the call that ends with 1, if one does.
    """
    shutil.copy(ROOT / "Makefile", folder)
    for source in SOURCES:
        path = folder / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (0, 0))
    os.utime(folder / "Makefile", (0, 0))
    for name in INSTALLED:
        path = folder / ".venv" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for tool, action in TOOLS.items():
        path = folder / ".venv" / "bin" / tool
        path.write_text(
            f"""#!/bin/sh
            echo "{tool} $*" >> called
            echo "$PYTHONDONTWRITEBYTECODE" > "without bytecode"
            {action}
            case "{tool} $*" in "{failing}"*) exit 1; esac
            """
        )
        path.chmod(0o755)
    return folder


def make_test(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `make test` there, as at a terminal."""
    usual = {name: text for name, text in os.environ.items() if "MAKE" not in name}
    usual["PYTHONDONTWRITEBYTECODE"] = "1"
    return subprocess.run(
        ["make", "test"],
        cwd=folder,
        env=usual,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("failing", [None, "pyright", "python -m pytest"])
def test_types_are_checked_beside_the_suite(
    tmp_path: Path, failing: str | None
) -> None:
    """Both run to their ends, and the target fails if either does."""
    done = make_test(checkout_with(failing, tmp_path))
    assert done.returncode == (0 if failing is None else 2), done.stderr
    called = (tmp_path / "called").read_text().splitlines()
    assert {"pyright ", "python -m pytest --numprocesses auto"} < set(called)


def test_compiled_modules_are_kept_for_the_processes_of_the_suite(
    tmp_path: Path,
) -> None:
    """Also where the environment forbids it."""
    folder = checkout_with(None, tmp_path)
    (folder / ".venv/bin/pyright").write_text("#!/bin/sh\n")
    assert make_test(folder).returncode == 0
    assert (folder / "without bytecode").read_text() == "\n"


def test_a_fault_that_is_found_in_seconds_ends_it_before_the_suite(
    tmp_path: Path,
) -> None:
    """Nothing else is begun if ruff finds an error."""
    done = make_test(checkout_with("ruff", tmp_path))
    assert done.returncode == 2
    assert (tmp_path / "called").read_text() == "ruff check .\n"
