"""At a terminal the verbs that draw say how far they are, and show what they drew; elsewhere they do neither."""

import os
import sys
from pathlib import Path

import pytest

from tests.client.by_command import command
from tests.house.pseudo_terminal import in_terminal
from tests.nursery import ended

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="reads a pseudo-terminal as Linux has them"
)

TERMINAL = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"}


@pytest.mark.parametrize(
    ("verb", "doing"),
    [
        ("sample", "drawing"),
        ("complete", "completing"),
        ("score", "scoring with tiny-cnn"),
    ],
)
def test_person_sees_what_is_done_and_what_came_of_it(
    models_dir: Path, tmp_path: Path, given: Path, verb: str, doing: str
) -> None:
    """The bar is gone in the end; the picture stays, and so does the sentence."""
    words = [
        verb,
        "tiny-cnn",
        *([given] if verb != "sample" else []),
        "--models-dir",
        models_dir,
        "--show",
    ]
    out = ["--map" if verb == "score" else "--out", tmp_path / "out.png"]
    code, told = in_terminal(command(*words, *out), TERMINAL)
    assert code == 0, told
    assert doing in told
    assert "▀" in told
    assert (
        told.index(doing)
        < told.index("▀")
        < told.rindex("nats" if verb == "score" else "wrote")
    )


def test_nobody_else_is_told(models_dir: Path, tmp_path: Path) -> None:
    """In a log there is one line, and one that says why there is no picture; before
    them, on a machine that is busy, what is being done."""
    places = "--models-dir", models_dir, "--out", tmp_path / "out.png"
    done = ended("pixelrnn", "sample", "tiny-cnn", *places, "--show")
    *before, shown, wrote = done.stderr.splitlines()
    assert all(line.startswith(("loading tiny-cnn", "drawing")) for line in before)
    assert shown == "not shown: stderr is no terminal"
    assert wrote.startswith("wrote ")
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("--device", "tpu", "tpu"),
        ("--device", "cuda:99", "cuda:99"),
        ("--threads", "65", "PIXELRNN_DRAW_THREADS"),  # as of every other verb
    ],
)
def test_person_who_starts_a_worker_is_told_why_it_cannot(
    models_dir: Path, option: str, value: str, named: str
) -> None:
    """In one line, and not as a line of the log."""
    words = command("worker", "--models-dir", models_dir, option, value)
    code, written = in_terminal(
        words, {**os.environ, "REDIS_URL": "redis://127.0.0.1:1"}
    )
    assert code == 2
    (line,) = written.splitlines()
    assert line.startswith("worker: ")
    assert named in line
