"""The command that writes a folder, and the type of what asks the engine about it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from model_core import shipped
from tests.nursery import ended

Ask = Callable[..., Any]


def export(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`pixelrnn export` in a process of its own: it tells numba of another processor before it is imported."""
    command = [sys.executable, "-m", "pixelrnn", "export", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=150, env=dict(os.environ)
    )


def refused_export(*arguments: str | Path) -> str:
    """Return what `pixelrnn export` says on stderr as it fails, before it reads a model.

    It is forked: imports would take four seconds of a processor.
    """
    done = ended("pixelrnn", "export", *arguments)
    assert done.returncode != 0
    return done.stderr


def changed_engine(folder: Path, file: str, old: str, new: str) -> Path:
    """A copy of the engine in folder/engine, in which one file has another text in one place."""
    engine = folder / "engine"
    shutil.copytree(shipped.ENGINE, engine)
    text = (engine / file).read_text()
    assert text.count(old) == 1, f"{file} has {old!r} once"
    (engine / file).write_text(text.replace(old, new))
    return engine
