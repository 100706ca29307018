"""Clients that generators make from openapi.json: one in Python that runs, one in TypeScript that type-checks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TOOLS = Path(sys.prefix) / "clients" / "bin"
"""An environment of its own: the generator asks for older libraries than we do."""
TYPESCRIPT = HERE / "typescript"


def _run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=150
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.skipif(not (TOOLS / "openapi-python-client").exists(), reason="`make test` installs the generator")
def test_a_generated_python_client_does_everything(service: str, tmp_path: Path) -> None:
    """Sample, stream, complete, upsample, score, cancel and delete against the running service; nothing is left out."""
    config = ["--config", HERE / "openapi-python-client.yml", "--meta", "none"]
    path = f"{TOOLS}{os.pathsep}{os.environ['PATH']}"
    target = tmp_path / "pixelrnn_client"
    said = _run(
        TOOLS / "openapi-python-client",
        "generate",
        "--path",
        "openapi.json",
        "--output-path",
        target,
        *config,
        PATH=path,
    )
    assert "WARNING" not in said, said
    Image.new("L", (5, 6), 255).save(tmp_path / "picture.png")
    Image.new("RGB", (2, 3), "navy").save(tmp_path / "small.png")
    pictures = [tmp_path / "picture.png", tmp_path / "small.png"]
    said = _run(TOOLS / "python", HERE / "generated_program.py", service, *pictures, PYTHONPATH=str(tmp_path))
    assert [line.partition(":")[0] for line in said.splitlines()] == [
        "models",
        "sample",
        "complete",
        "upsample",
        "score",
        "cancel",
        "delete",
    ]
    assert "10 rows, 10 in the stream" in said
    assert said.endswith("cancel: canceled\ndelete: 204\n")


@pytest.mark.skipif(
    shutil.which("npm") is None or not (TYPESCRIPT / "node_modules" / ".bin" / "openapi-typescript").exists(),
    reason="needs Node; `make test` installs the packages where npm is",
)
def test_generated_typescript_types_fit_a_program() -> None:
    """The types are made from openapi.json, and a program that uses them type-checks."""
    _run("npm", "run", "--silent", "types", cwd=TYPESCRIPT)
    _run("npm", "run", "--silent", "check", cwd=TYPESCRIPT)
