"""Workers of one machine count each other by locks."""

import os
import subprocess
import sys
from pathlib import Path

from worker.process.neighbours import Neighbours

WAITS = """
import sys
from pathlib import Path
from worker.process.neighbours import Neighbours
mine = Neighbours(Path(sys.argv[1]))
print("there", flush=True)
sys.stdin.read()
"""


def test_those_that_live_are_counted(tmp_path: Path) -> None:
    """A killed one is not counted any more, and its place is taken again."""
    mine = Neighbours(tmp_path / "shared")
    assert mine.count() == 1
    others = [
        subprocess.Popen(
            [sys.executable, "-c", WAITS, str(tmp_path / "shared")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(2)
    ]
    for other in others:
        assert other.stdout is not None
        assert other.stdout.readline() == b"there\n"
    assert mine.count() == 3
    others[0].kill()
    others[0].communicate(timeout=60)
    assert mine.count() == 2
    assert Neighbours(tmp_path / "shared").count() == 3
    others[1].communicate(timeout=60)
    assert len(list((tmp_path / "shared").iterdir())) == 3
