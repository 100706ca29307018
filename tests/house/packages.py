"""Sdist and wheel, and environments to try them in."""

import os
import subprocess
import sys
import venv
from collections.abc import Iterable
from pathlib import Path


def build(kind: str, source: Path, into: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(into)]
    subprocess.run(command, cwd=source, capture_output=True, check=True)
    (built,) = into.iterdir()
    return built


def site_packages() -> list[Path]:
    return [Path(place) for place in sys.path if place.endswith("site-packages")]


def make_environment(place: Path, packages: Iterable[Path]) -> None:
    """One that sees these directories of packages, pip among them: what it would bring are gigabytes."""
    venv.create(place, symlinks=True)
    (own,) = place.glob("lib/python*/site-packages")
    (own / "others.pth").write_text("".join(f"{package}\n" for package in packages))


def usual() -> dict[str, str]:
    """The environment of somebody who has set nothing for this project."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIXELRNN", "PYTHON", "REDIS"))
    }
