"""Make builds repeat: the libraries of the images with their hashes, and their base images by digest.

    python deploy/release/lock.py libraries    write docker/*.lock anew, by pyproject.toml (pip install uv)
    python deploy/release/lock.py images       pin the base images in docker/*.Dockerfile (docker, and their registry)
    python deploy/release/lock.py audit        ask for known holes of the locked versions (pip install pip-audit)

PyTorch is not in the locks: each of its builds, for processors and for CUDA, has other files under one version. The
worker's Dockerfile names that version.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).parents[2]
LOCKS = ("api", "worker", "build")
"""What the images of the API and of the worker hold, and what makes our own wheel."""
_OF_TORCH = re.compile(r"(torch|triton|nvidia-|cuda-)")
_PACKAGE = re.compile(r"^([a-z0-9-]+)==")
_FROM = re.compile(r"^FROM ([^\s@]+)", re.MULTILINE)

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
Root = Annotated[Path, typer.Option(help="The checkout.")]


@app.command()
def libraries(root: Root = ROOT) -> None:
    """Write docker/*.lock: the newest versions that pyproject.toml admits, each with the hashes of its files."""
    made_by = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))[
        "build-system"
    ]["requires"]
    for name in LOCKS:
        asked = ("-",) if name == "build" else ("pyproject.toml", "--extra", name)
        options = "--generate-hashes --no-header --no-annotate --python-version 3.11 --python-platform linux --quiet"
        uv = [sys.executable, "-m", "uv", "pip", "compile", *asked, *options.split()]
        ended = subprocess.run(
            uv,
            cwd=root,
            input="\n".join(made_by),
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise typer.Exit(
                _failed(
                    f"uv could not choose versions for {name}: {ended.stderr.strip()}"
                )
            )
        path = root / "docker" / f"{name}.lock"
        path.write_text(without_torch(ended.stdout), encoding="utf-8")
        typer.echo(path)


def without_torch(lock: str) -> str:
    """The lock less PyTorch and what only its builds for CUDA need; each package is a line and its indented hashes."""
    packages = re.split(r"^(?=\S)", lock, flags=re.MULTILINE)
    return "".join(package for package in packages if not _OF_TORCH.match(package))


def locked(lock: Path) -> dict[str, str]:
    """The version of each package in a lock."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return {
        found[1]: line.split("==")[1].split()[0]
        for line in lines
        if (found := _PACKAGE.match(line))
    }


@app.command()
def images(root: Root = ROOT) -> None:
    """Write the digest behind each base image's name; a Dockerfile stays as it is where a registry does not answer."""
    silent = False
    for path in sorted((root / "docker").glob("*.Dockerfile")):
        text = path.read_text(encoding="utf-8")
        digests = {name: digest_of(name) for name in _FROM.findall(text)}
        unknown = [name for name, digest in digests.items() if digest is None]
        if unknown:
            silent = True
            typer.echo(
                f"{path}: nothing is known of {', '.join(unknown)}: left as it is",
                err=True,
            )
            continue
        for name, digest in digests.items():
            text = re.sub(
                rf"^FROM {re.escape(name)}(@\S+)?(?=\s)",
                f"FROM {name}@{digest}",
                text,
                flags=re.MULTILINE,
            )
        path.write_text(text, encoding="utf-8")
        typer.echo(path)
    if silent:
        raise typer.Exit(1)


def digest_of(name: str) -> str | None:
    """What the registry says now of an image's name, or None: `sha256:...`, of all platforms together."""
    inspect = [
        "docker",
        "buildx",
        "imagetools",
        "inspect",
        name,
        "--format",
        "{{json .Manifest}}",
    ]
    try:
        ended = subprocess.run(
            inspect, capture_output=True, text=True, check=True, timeout=60
        )
        return json.loads(ended.stdout)["digest"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None


@app.command()
def audit(root: Root = ROOT) -> None:
    """Name known holes of the locked versions; exit code 1 where there is one, and a word where nobody can be asked."""
    holes = 0
    for name in LOCKS:
        ask = [
            sys.executable,
            "-m",
            "pip_audit",
            "-r",
            f"docker/{name}.lock",
            "--require-hashes",
            "--disable-pip",
        ]
        ended = subprocess.run(
            [*ask, "-f", "json"], cwd=root, capture_output=True, text=True, check=False
        )
        answered = answers(ended.stdout)
        if not answered:
            typer.echo(f"{name}: skipped, no advisory service answers", err=True)
            continue
        for package in answered:
            for hole in package["vulns"]:
                holes += 1
                typer.echo(
                    f"{name}: {package['name']} {package['version']}: {hole['id']}"
                )
        known = len(locked(root / "docker" / f"{name}.lock"))
        typer.echo(f"{name}: looked up {len(answered)} of {known} packages", err=True)
    if holes:
        raise typer.Exit(1)


def answers(audit: str) -> list[dict[str, Any]]:
    """The packages of which an advisory service knew, from what pip-audit printed."""
    try:
        return [
            package
            for package in json.loads(audit)["dependencies"]
            if "vulns" in package
        ]
    except (ValueError, KeyError):
        return []


def _failed(reason: str) -> int:
    typer.echo(f"lock: {reason}", err=True)
    return 2


if __name__ == "__main__":
    app()
