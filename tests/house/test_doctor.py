"""`make doctor`: what it reports, and that it runs before anything is installed."""

import ast
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pixelrnn import doctor

FILE = Path(doctor.__file__)


def test_it_needs_the_standard_library_alone(tmp_path: Path) -> None:
    """Isolated from every installed package, in an empty folder; one line for each check."""
    command = [sys.executable, "-I", "-S", str(FILE), "8000"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    subjects = [line.split()[0] for line in done.stdout.splitlines()]
    assert subjects == [
        "system",
        "python",
        "processor",
        "memory",
        "disk",
        "port",
        "gpu",
        "torch",
        "redis",
    ]


def test_it_is_written_for_python_3_8() -> None:
    """Its grammar; the oldest Python that is in use is not on every machine that tests."""
    ast.parse(FILE.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_a_taken_port_is_a_warning_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finding = doctor.check_port(port)
    assert finding.status == doctor.WARNING
    assert f"make run PORT={port + 1}" in finding.text


def test_no_secret_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The output goes into bug reports."""
    monkeypatch.setenv("REDIS_URL", "redis://somebody:secret-word@127.0.0.1:1/0")
    monkeypatch.setenv("PIXELRNN_API_KEYS", "secret-key")
    finding = doctor.check_redis()
    assert finding.status == doctor.FAILURE
    printed = "\n".join(str(each) for each in doctor.examine(8000))
    home = str(Path.home())
    assert not [word for word in ("secret", "somebody", home) if word in printed]


def test_a_failure_is_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "nonsense")
    assert doctor.main(["8000"]) == 1
