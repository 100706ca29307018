"""`pixelrnn`, as a program or in the test's own process, and pictures as its arguments."""

import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image
from typer.testing import CliRunner, Result

from pixelrnn.cli import main
from pixelrnn.verbs import root

LIMIT_S = 170
"""On a busy machine that compiles for the first time."""


def command(*words: object) -> Sequence[str]:
    return [sys.executable, "-P", "-m", "pixelrnn", *map(str, words)]


def run(*words: object) -> Result:
    """The command in this process, as typer's runner reports it."""
    return CliRunner().invoke(root, [str(word) for word in words])


def ended(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command's end, in this process: its code, and what it said. Torch is loaded already, which takes longest."""
    arguments = ["pixelrnn", *map(str, words)]
    code: object = 0
    with (
        CliRunner().isolation(env=environment) as (out, err, _),
        mock.patch.object(sys, "argv", arguments),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        said = [stream.getvalue().decode() for stream in (out, err)]
    return subprocess.CompletedProcess(arguments, int(str(code or 0)), *said)


def pixelrnn(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same, which must succeed."""
    done = ended(*words, **environment)
    assert done.returncode == 0, done.stderr
    return done


def remote(service: str, *words: object) -> str:
    """The last line of what `pixelrnn remote ... --url SERVICE` says on stdout."""
    return (
        pixelrnn(
            "remote", *words, PIXELRNN_URL=service, COLUMNS="40"
        ).stdout.splitlines()
        or [""]
    )[-1]


def pixels(path: Path) -> bytes:
    with Image.open(path) as picture:
        return picture.convert("RGB").tobytes()


def png_of(values: np.ndarray) -> bytes:
    """A PNG of these pixels."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()
