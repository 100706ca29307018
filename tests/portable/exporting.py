"""The command that writes a folder, and the type of what asks the engine about it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Ask = Callable[..., Any]


def export(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`pixelrnn export` in a process of its own, which numba is told of another processor."""
    command = [sys.executable, "-m", "pixelrnn", "export", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, env=dict(os.environ))
