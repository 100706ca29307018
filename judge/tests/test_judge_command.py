"""The command and the pytest plugin, each in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from judge.__main__ import main

MODELS = """
import sys

import numpy as np

def sound(x):
    return np.full(x.shape, np.log(4))

def plus_epsilon(x):
    return sound(x) - 0.1

def leaks(x):
    nats = sound(x)
    nats[:, 0] += 0.1 * x[:, 1]
    return nats

def raises(x):
    raise RuntimeError("no weights")

def exits(x):
    sys.exit(0)
"""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A file with functions to judge; images.npy lies beside it."""
    path = tmp_path / "models.py"
    path.write_text(MODELS, encoding="utf-8")
    images = np.random.default_rng(1).integers(4, size=(9, 5))
    images[0, 0] = 3
    np.save(tmp_path / "images.npy", images)
    return path


@pytest.mark.parametrize(
    ("function", "claim", "status"),
    [
        ("sound", "2.0", 0),
        ("sound", "1.386", 1),
        ("plus_epsilon", "2.0", 1),
        ("leaks", "2.0", 1),
        ("raises", "2.0", 2),
        ("exits", "2.0", 2),
        ("missing", "2.0", 2),
    ],
)
def test_exit_status_and_json(
    models: Path,
    capsys: pytest.CaptureFixture[str],
    function: str,
    claim: str,
    status: int,
) -> None:
    """0 is sound, 1 is not sound, 2 is not judged."""
    data = str(models.parent / "images.npy")
    arguments = [f"{models}:{function}", "--data", data, "--claim", claim, "--json"]
    assert main(arguments) == status
    printed = json.loads(capsys.readouterr().out)
    assert printed["sound"] is {0: True, 1: False, 2: None}[status]


def test_a_file_that_ends_the_process_is_not_judged(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script may end in sys.exit, without a guard: its status is no verdict."""
    models.write_text(MODELS + "\nsys.exit(0)\n", encoding="utf-8")
    assert main([f"{models}:sound", "--shape", "5", "--values", "4"]) == 2
    assert "raised SystemExit" in capsys.readouterr().err


@pytest.fixture
def unusable(tmp_path: Path) -> dict[str, Path]:
    """Files that hold no array of integers."""
    arrays = {
        "decimals": np.arange(5.0),
        "strings": np.arange(5).astype(str),
        "days": np.arange(5).astype("datetime64[D]"),
        "fields": np.zeros(5, [("a", np.int32)]),
    }
    files = {}
    for name, array in arrays.items():
        files[name] = tmp_path / f"{name}.npy"
        np.save(files[name], array)
    whole = files["decimals"].read_bytes()
    contents = {
        "empty": b"",
        "text": b"0 1 2 3 4",
        "cut": whole[:-1],
        "damaged": whole.replace(b"{'descr'", b"(((((((("),
        "huge": whole.replace(b"(5,), ", b"(" + b"9" * 30 + b",), "),
        "broken archive": b"PK\x03\x04",
    }
    for name, content in contents.items():
        files[name] = tmp_path / f"{name}.npy"
        files[name].write_bytes(content)
    files["archive"] = tmp_path / "archive.npz"
    np.savez(files["archive"], np.arange(5))
    return files


@pytest.mark.parametrize(
    "name",
    [
        *("decimals", "strings", "days", "fields"),
        *("empty", "text", "cut", "damaged", "huge", "broken archive", "archive"),
    ],
)
def test_a_file_without_integers_is_no_verdict(
    models: Path,
    unusable: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    """Neither as data nor as an order. The message names the file."""
    path = str(unusable[name])
    assert main([f"{models}:sound", "--data", path]) == 2
    assert path in capsys.readouterr().err
    known = ["--shape", "5", "--values", "4"]
    assert main([f"{models}:sound", *known, "--order", path]) == 2
    assert path in capsys.readouterr().err


def test_the_command_runs_as_a_module(models: Path) -> None:
    """The report says which number of values was guessed, and leaks are drawn."""
    pytest.importorskip("PIL")
    picture = models.parent / "leaks.png"
    arguments = ["models.py:leaks", "--data", "images.npy", "--picture", "leaks.png"]
    done = subprocess.run(
        [sys.executable, "-m", "judge", *arguments],
        cwd=models.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "position 0 changes with position 1" in done.stdout
    assert "4 values, guessed" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_shape_and_values_are_needed_without_data(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without data the shape cannot be guessed; with it and the order it works."""
    assert main([f"{models}:sound"]) == 2
    assert "--shape" in capsys.readouterr().err
    known = ["--shape", "1,2,3", "--values", "4", "--order", "pixels"]
    assert main([f"{models}:sound", *known]) == 0


def test_help_warns_that_the_file_is_executed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nobody judges a stranger's file without having been warned."""
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "is executed" in " ".join(capsys.readouterr().out.split())


def test_a_failed_test_prints_the_whole_report(tmp_path: Path) -> None:
    """`assert judge(...).sound` fails with the report, by the installed plugin."""
    (tmp_path / "test_mine.py").write_text(
        MODELS
        + """
from judge import judge

def test_mine():
    assert judge(leaks, (5,), 4).sound
""",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert "position 0 changes with position 1" in done.stdout
    assert "asked about" in done.stdout
