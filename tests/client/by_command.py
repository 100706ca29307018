"""`pixelrnn` as a program, and pictures as its arguments."""

import io
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

LIMIT_S = 170
"""On a busy machine that compiles for the first time."""


def command(*words: object) -> Sequence[str]:
    return [sys.executable, "-P", "-m", "pixelrnn", *map(str, words)]


def pixelrnn(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(*words), env=os.environ | environment, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    return done


def remote(service: str, *words: object) -> str:
    """The last line of what `pixelrnn remote ... --url SERVICE` says on stdout."""
    return (pixelrnn("remote", *words, PIXELRNN_URL=service, COLUMNS="40").stdout.splitlines() or [""])[-1]


def pixels(path: Path) -> bytes:
    with Image.open(path) as picture:
        return picture.convert("RGB").tobytes()


def png_of(values: np.ndarray) -> bytes:
    """A PNG of these pixels."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()
