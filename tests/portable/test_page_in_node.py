"""Modules of the page in Node, without a browser: what they do if the reader leaves at an awkward moment."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).with_name("page")


def test_modules_of_the_page_in_node() -> None:
    """Runs all `*.test.mjs`: `node --test tests/portable/page/` does the same."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    files = sorted(FOLDER.glob("*.test.mjs"))
    command = [node, "--test", "--test-reporter=tap", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170)
    failed = re.findall(r"^ *not ok \d+ - (.*)", done.stdout, re.M)
    assert not failed, f"{failed}\n{done.stdout}"
    assert done.returncode == 0, done.stdout + done.stderr
    (passed,) = re.findall(r"^# pass (\d+)", done.stdout, re.M)
    assert int(passed) > len(files), "each file has tests"
