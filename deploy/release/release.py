"""Cut a release. `make release VERSION=X.Y.Z` runs these steps in this order:

    python deploy/release/release.py check VERSION    refuse a version or a tree that cannot be released
    make test weekly                          all checks
    python deploy/release/release.py write VERSION    write the version wherever it stands, and the changelog
    (files that are made from the version are made again)
    python deploy/release/release.py tag VERSION      commit, build wheels and sdist into dist/, and tag

Nothing is published.
"""

import datetime
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).parents[2]
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_UNRELEASED = "## [Unreleased]\n"

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
Version = Annotated[str, typer.Argument(help="Three numbers: 0.4.0.")]
Root = Annotated[Path, typer.Option(help="The checkout.")]


@app.command()
def check(version: Version, root: Root = ROOT) -> None:
    """Exit with 2 and a sentence if this version of this tree cannot be released."""
    present = present_version(root)
    if not _VERSION.fullmatch(version):
        _refuse(f"VERSION={version}: expected three numbers, such as 0.4.0")
    if _numbers(version) <= _numbers(present):
        _refuse(f"VERSION={version}: expected more than {present}, the present version")
    if f"v{version}" in _git(root, "tag", "--list").split():
        _refuse(f"the tag v{version} is there already")
    if _git(root, "status", "--porcelain"):
        _refuse("the tree has changes that are not committed: commit them first")
    if not unreleased(_changelog(root).read_text(encoding="utf-8")).strip():
        _refuse("CHANGELOG.md has nothing under [Unreleased]")


@app.command()
def write(version: Version, root: Root = ROOT) -> None:
    """Write the version into pyproject.toml, deploy/k8s and CHANGELOG.md."""
    present = present_version(root)
    _replace(
        root / "pyproject.toml", f'version = "{present}"', f'version = "{version}"'
    )
    for manifest in sorted((root / "deploy" / "k8s").rglob("*.yaml")):
        text = manifest.read_text(encoding="utf-8")
        for tag in ("pixelrnn-[a-z-]+:", "newTag: "):
            text = re.sub(rf"({tag}){re.escape(present)}\b", rf"\g<1>{version}", text)
        manifest.write_text(text, encoding="utf-8")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    _replace(
        _changelog(root), _UNRELEASED, f"{_UNRELEASED}\n## [{version}] - {today}\n"
    )


@app.command()
def tag(version: Version, root: Root = ROOT) -> None:
    """Commit what `write` changed, build the wheels, that of the client alone among
    them, and the sdist into dist/, and tag the commit."""
    _git(root, "add", "--all")
    _git(root, "commit", "--message", f"Release {version}")
    whole = [sys.executable, "-m", "hatchling", "build", "-d", "dist"]
    client = [sys.executable, "deploy/release/client.py", "dist"]
    for build in (whole, client):
        if subprocess.run(build, cwd=root, check=False).returncode:
            _refuse("the build failed; the release is committed, and not tagged")
    _git(root, "tag", "--annotate", f"v{version}", "--message", f"Release {version}")
    typer.echo(f"v{version} is tagged; dist/ has its wheels and sdist")


def present_version(root: Path) -> str:
    """Return the version that pyproject.toml states."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version = "(.+)"$', text, flags=re.MULTILINE)
    return version


def unreleased(changelog: str) -> str:
    """Return the section of what is not released yet, without its heading."""
    _, _, rest = changelog.partition(_UNRELEASED)
    return re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def _changelog(root: Path) -> Path:
    return root / "CHANGELOG.md"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    if text.count(old) != 1:
        _refuse(f"{file.name}: expected {old!r} once")
    file.write_text(text.replace(old, new), encoding="utf-8")


def _git(root: Path, *arguments: str) -> str:
    ended = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        _refuse(f"git {arguments[0]} failed: {ended.stderr.strip()}")
    return ended.stdout


def _refuse(reason: str) -> None:
    typer.echo(f"release: {reason}", err=True)
    raise typer.Exit(2)


if __name__ == "__main__":
    app()
