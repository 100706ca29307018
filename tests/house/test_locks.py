"""The locks of the images: they hold what pyproject.toml asks for, and what is done with them where nobody answers."""

import json
import os
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCK = runpy.run_path(str(ROOT / "deploy" / "release" / "lock.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]


@pytest.mark.parametrize("name", ["api", "worker"])
def test_locks_hold_what_the_package_asks_for(name: str) -> None:
    """Each library of the extra, in a version that its range admits, with hashes; PyTorch is the Dockerfile's."""
    path = ROOT / "docker" / f"{name}.lock"
    versions = LOCK["locked"](path)
    wanted = [
        Requirement(text)
        for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"][name]
    ]
    for each in wanted:
        if each.name != "torch":
            assert each.specifier.contains(versions[each.name]), each
    text = path.read_text(encoding="utf-8")
    assert "http" not in re.sub(
        r"^http[a-z-]*==", "", text, flags=re.MULTILINE
    )  # no place, only names and hashes
    assert all(
        "--hash=sha256:" in package
        for package in re.split(r"^(?=\S)", text, flags=re.MULTILINE)
        if package
    )
    pinned = re.search(
        r"TORCH_VERSION=(.*)",
        (ROOT / "docker" / "worker.Dockerfile").read_text(encoding="utf-8"),
    )
    assert pinned
    (torch,) = (
        Requirement(text)
        for text in PROJECT["optional-dependencies"]["worker"]
        if text.startswith("torch")
    )
    assert torch.specifier.contains(pinned[1])


def test_pytorch_and_the_libraries_of_cuda_are_left_out_of_a_lock() -> None:
    """With their hashes; others stay, with theirs."""
    numpy, cublas, torch = (
        f"{name} \\\n    --hash=sha256:aa\n"
        for name in ("numpy==2", "nvidia-cublas==1", "torch==2")
    )
    assert LOCK["without_torch"](numpy + cublas + torch) == numpy


@pytest.mark.parametrize("answers", [True, False])
def test_base_images_are_pinned_where_their_registry_answers(
    tmp_path: Path, answers: bool
) -> None:
    """By the digest that it says, in each FROM; else the file stays as it is, and the command fails with a word."""
    (tmp_path / "docker").mkdir()
    path = tmp_path / "docker" / "a.Dockerfile"
    path.write_text(
        "FROM python:3.11-slim AS build\nRUN true\nFROM python:3.11-slim\n",
        encoding="utf-8",
    )
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    reply = json.dumps({"digest": "sha256:abc"})
    docker.write_text(
        f"#!/bin/sh\necho '{reply}'\n" if answers else "#!/bin/sh\nexit 1\n",
        encoding="utf-8",
    )
    docker.chmod(0o755)
    ended = subprocess.run(
        [
            sys.executable,
            ROOT / "deploy" / "release" / "lock.py",
            "images",
            "--root",
            tmp_path,
        ],
        env={**os.environ, "PATH": f"{docker.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    line = "FROM python:3.11-slim@sha256:abc" if answers else "FROM python:3.11-slim"
    assert path.read_text(encoding="utf-8") == f"{line} AS build\nRUN true\n{line}\n"
    assert ended.returncode == (0 if answers else 1)
    assert ("nothing is known of python:3.11-slim" in ended.stderr) != answers


def test_what_no_service_knew_is_not_called_audited() -> None:
    """pip-audit lists packages that it could not look up, and calls the whole free of holes."""
    silent = {"dependencies": [{"name": "a", "skip_reason": "not found"}], "fixes": []}
    assert LOCK["answers"](json.dumps(silent)) == LOCK["answers"]("no JSON") == []
    known = {"name": "a", "version": "1", "vulns": []}
    assert LOCK["answers"](json.dumps({"dependencies": [known]})) == [known]
