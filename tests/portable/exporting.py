"""The command that writes a folder, and the type of what asks the engine about it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Ask = Callable[..., Any]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`pixelrnn` in a process of its own."""
    command = [sys.executable, "-m", "pixelrnn", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, env=dict(os.environ))


def export(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`pixelrnn export`, which tells numba of another processor before it is imported."""
    return run("export", *arguments)
