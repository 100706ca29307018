"""The process of one training: whatever happens in it ends its job, and not its trainer."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from worker.engine import teaching


def test_a_fault_that_nobody_foresaw_ends_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else its trainer would die with it, again and again, and so would the trainings of others."""

    def broken(*_: object) -> None:
        raise StopIteration

    monkeypatch.setattr(teaching, "_train", broken)
    (tmp_path / "uploads" / "job").mkdir(parents=True)
    out = io.StringIO()
    teaching.main(out, os.getppid(), str(tmp_path), "job", "mine", "{}")
    assert json.loads(out.getvalue()) == {
        "failed": "This is a fault of the server, and was logged."
    }
    assert "StopIteration" in capsys.readouterr().err


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process of its parent's death"
)
def test_a_process_whose_trainer_has_died_ends_before_it_imports_anything(
    tmp_path: Path,
) -> None:
    """It also ends if that happened before the kernel was asked to tell it, and without
    a word: its trainer's successor has the job."""
    command = [sys.executable, "-X", "importtime", "-P", "-m"]
    nobody = str(os.getppid())
    ended = subprocess.run(
        [*command, "worker.engine.teaching_start", nobody, str(tmp_path), "j", "n"],
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "torch" not in ended.stderr
    assert "pydantic" not in ended.stderr
