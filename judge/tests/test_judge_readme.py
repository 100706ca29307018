"""README's example is run, and prints what the README says."""

import re
import shlex
from pathlib import Path

import pytest
from judge.__main__ import main

README = Path(__file__).parents[1] / "README.md"


def test_example_prints_what_the_readme_shows(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The function is saved as mine.py, and the first command is given."""
    text = README.read_text(encoding="utf-8")
    function = re.search(r"```python\n(# mine.py\n.*?)```", text, re.DOTALL)
    command = re.search(r"```sh\npython -m judge (mine.py:nats .*?)\n```", text)
    shown = re.search(r"```text\n(not sound.*?)```", text, re.DOTALL)
    assert function is not None
    assert command is not None
    assert shown is not None
    (tmp_path / "mine.py").write_text(function[1], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command[1])) == 1
    assert capsys.readouterr().out.startswith(shown[1])
