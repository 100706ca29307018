"""The process of one training: whatever happens in it ends its job, and not its trainer."""

import io
import json
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
    teaching.main(out, str(tmp_path), "job", "mine", "{}")
    assert json.loads(out.getvalue()) == {
        "failed": "This is a fault of the server, and was logged."
    }
    assert "StopIteration" in capsys.readouterr().err
